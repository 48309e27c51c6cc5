//! The 49 cases of RFC 4475 in messages of our own, each with what the RFC has a receiver do as
//! far as the message alone tells (parser and RFC 3261 §8.2, not the application).
//!
//! In the texts a line feed stands for CRLF.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use phoneai_sip::message::{
    HeaderName, Message, Method, ParseError, Scheme, StatusCode, Token, Uri, reject,
};

fn datagram(text: &str) -> Vec<u8> {
    text.trim_start().replace('\n', "\r\n").into_bytes()
}

fn read(bytes: &[u8]) -> Result<Message<'_>, ParseError> {
    let message = Message::parse(bytes)?;
    message.check()?;
    Ok(message)
}

/// Asserts that the sender is told `status`, in a response that repeats what it must, be it
/// malformed, and can find its way.
fn refused(bytes: &[u8], status: u16) {
    let error = read(bytes).expect_err("must be refused");
    assert_eq!(error.status().map(StatusCode::as_u16), Some(status), "{error}");
    let response = reject(bytes, &error).expect("there is a Via to answer by");
    let response = Message::parse(&response).expect("the answer must be a message");
    response.top_via().expect("the answer must find its way");
    assert_eq!(response.status().map(StatusCode::as_u16), Some(status));
}

/// Asserts that nothing is answered.
fn dropped(bytes: &[u8]) {
    let error = read(bytes).expect_err("must be refused");
    assert_eq!(error.status(), None, "{error}");
    assert_eq!(reject(bytes, &error), None);
}

/// The parts that every receiver must get right.
#[derive(Debug, PartialEq)]
struct Core<'a> {
    method: &'a str,
    call_id: &'a str,
    cseq: u32,
    from_tag: Option<&'a str>,
    to_tag: Option<&'a str>,
    vias: usize,
    branch: Option<&'a str>,
    body: usize,
}

fn core(bytes: &[u8], expected: Core<'_>) {
    let message = read(bytes).unwrap();
    let cseq = message.cseq().unwrap();
    let found = Core {
        method: cseq.method.as_str(),
        call_id: message.call_id().unwrap(),
        cseq: cseq.number,
        from_tag: message.from_().unwrap().tag(),
        to_tag: message.to().unwrap().tag(),
        vias: message.vias().count(),
        branch: message.top_via().unwrap().branch(),
        body: message.body().len(),
    };
    assert_eq!(found, expected);
}

/// A request with these lines in the place of the usual ones of the same name.
fn with(start: &str, lines: &[&str]) -> Vec<u8> {
    let method = start.split(' ').next().unwrap();
    let usual = [
        "Via: SIP/2.0/UDP 192.0.2.5:5060;branch=z9hG4bKtorture",
        "Max-Forwards: 70",
        "From: <sip:caller@example.net>;tag=f1",
        "To: <sip:callee@example.com>",
        "Call-ID: torture@192.0.2.5",
        &format!("CSeq: 7 {method}"),
        "Content-Length: 0",
    ]
    .map(str::to_owned);
    let name = |line: &str| line.split(':').next().unwrap().trim().to_owned();
    let mut text = format!("{start}\n");
    for line in &usual {
        if !lines.iter().any(|own| name(own) == name(line)) {
            text += &format!("{line}\n");
        }
    }
    for line in lines.iter().filter(|line| !line.ends_with(": -")) {
        text += &format!("{line}\n");
    }
    datagram(&(text + "\n"))
}

const INVITE: &str = "INVITE sip:callee@example.com SIP/2.0";
const REGISTER: &str = "REGISTER sip:example.com SIP/2.0";
const OPTIONS: &str = "OPTIONS sip:callee@example.com SIP/2.0";

// 3.1.1 Valid messages

#[test]
fn s3_1_1_1_wsinv_blanks_folds_and_compact_names() {
    let bytes = datagram(
        r#"
INVITE sip:violet@chair.example.com;strangeparam SIP/2.0
TO :
 sip:violet@chair.example.com ;   tag    = 19181n
from   : "J Rose \\\""       <sip:rose@example.com>
  ;
  tag = 98asj
MaX-fOrWaRdS: 0068
Call-ID: blanks.one@192.0.2.1
Content-Length   : 5
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390sk
s :
NewFangledHeader:   newfangled value
 continued newfangled value
OddValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ik  ,
 SIP  /    2.0   / UDP  192.0.2.111   ; branch=
 z9hG4bK302
m:"Quoted \"\"" <sip:rose@example.com> ; newparam =
	newvalue ;
  secondparam ; q = 0.33

v=0
"#,
    );
    let expected = Core {
        method: "INVITE",
        call_id: "blanks.one@192.0.2.1",
        cseq: 9,
        from_tag: Some("98asj"),
        to_tag: Some("19181n"),
        vias: 3,
        branch: Some("390sk"),
        body: 5,
    };
    core(&bytes, expected);
    let message = read(&bytes).unwrap();
    assert_eq!(message.max_forwards().unwrap(), Some(68));
    assert_eq!(message.from_().unwrap().display_name(), "J Rose \\\"");
    let contact = message.contacts().next().unwrap().unwrap().addr().unwrap();
    assert_eq!((contact.q_thousandths(), contact.param("newparam")), (330, Some("newvalue")));
    assert_eq!(message.text(HeaderName::Subject), Some(""));
    let vias: Vec<_> = message.vias().map(|via| via.unwrap()).collect();
    assert_eq!((vias[1].transport, vias[2].branch()), ("TCP", Some("z9hG4bK302")));
}

#[test]
fn s3_1_1_2_intmeth_every_character_that_may_stand_somewhere() {
    let method = "!odd-Method0123456789_*+`.%indeed'~";
    let uri =
        "sip:1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d@example.com";
    let bytes = with(
        &format!("{method} {uri} SIP/2.0"),
        &[
            "Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~",
            "To: \"BEL:\\\u{7} NUL:\\\u{0} DEL:\\\u{7f}\" <sip:1_odd@example.com>",
            "From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>\
             ;fromParam''~+*_!.-%=\"\u{440}\u{430}\u{431}\"\n ;tag=_token~1'+`*%!-.",
            "Call-ID: odd.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
            "extensionHeader-!.%*+_`'~: \u{fe}\u{92}",
        ],
    );
    let message = read(&bytes).unwrap();
    assert_eq!(message.method().unwrap().as_str(), method);
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(message.to().unwrap().display_name(), "BEL:\u{7} NUL:\u{0} DEL:\u{7f}");
    assert_eq!(message.from_().unwrap().tag(), Some("_token~1'+`*%!-."));
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.user(), Some("1_odd.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d"));
    assert_eq!(uri.host().unwrap().to_string(), "example.com");
}

#[test]
fn s3_1_1_3_esc01_escapes_in_uris() {
    let bytes = with(
        "INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0",
        &[
            "To: sip:%75se%72@example.com",
            "Contact:\n <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
        ],
    );
    let message = read(&bytes).unwrap();
    let uri = message.request_uri().unwrap();
    assert_eq!(uri.user_decoded().unwrap(), "sips:user@example.com");
    assert_eq!(uri.host().unwrap().to_string(), "example.net");
    assert!(message.to().unwrap().uri.is_equivalent(&Uri::parse(b"sip:user@example.com").unwrap()));
}

#[test]
fn s3_1_1_4_escnull_escaped_nulls() {
    let bytes = with(
        REGISTER,
        &[
            "To: sip:null-%00-null@example.com",
            "From: sip:null-%00-null@example.com;tag=8399",
            "Contact: <sip:%00@host5.example.com>",
            "Contact: <sip:%00%00@host5.example.com>",
        ],
    );
    let message = read(&bytes).unwrap();
    assert_eq!(message.to().unwrap().uri.user_decoded().unwrap(), "null-\0-null");
    let contacts: Vec<_> = message.contacts().map(|c| c.unwrap().addr().unwrap().uri).collect();
    assert!(!contacts[0].is_equivalent(&contacts[1]));
}

#[test]
fn s3_1_1_5_esc02_percent_that_escapes_nothing() {
    let bytes = with(
        "RE%47IST%45R sip:registrar.example.com SIP/2.0",
        &["To: \"%Z%45\" <sip:resource@example.com>", "CSeq: 29344 RE%47IST%45R"],
    );
    let message = read(&bytes).unwrap();
    assert_eq!(message.method().unwrap().as_str(), "RE%47IST%45R");
    assert_ne!(message.method(), Some(Method::Register));
    assert_eq!(message.to().unwrap().display_name(), "%Z%45");
}

#[test]
fn s3_1_1_6_lwsdisp_no_blank_before_the_bracket() {
    let bytes = with(OPTIONS, &["From: caller<sip:caller@example.com>;tag=323"]);
    let message = read(&bytes).unwrap();
    assert_eq!(message.from_().unwrap().display_name(), "caller");
    assert_eq!(message.from_().unwrap().tag(), Some("323"));
}

#[test]
fn s3_1_1_7_longreq_long_values() {
    let long = "long".repeat(25);
    let vias: Vec<String> = (0..34)
        .map(|n| format!("SIP/2.0/UDP sip{n}.example.com;branch=z9hG4bK{long}{n}"))
        .collect();
    let bytes = with(
        &format!("INVITE sip:{long}@example.com SIP/2.0"),
        &[
            &format!("To: \"{long}\" <sip:user@{long}.example.com>;p=\"{long}\""),
            &format!("F: sip:{long}@example.net;tag={long};unknown{long}={long}"),
            "From: -",
            &format!("Via: {}", vias.join(",\n ")),
            &format!("Call-ID: {long}@{long}"),
            &format!("Unknown-{}: {long}", &long[..100]),
        ],
    );
    let message = read(&bytes).unwrap();
    assert_eq!(message.vias().count(), 34);
    assert_eq!(message.from_().unwrap().tag(), Some(long.as_str()));
}

#[test]
fn s3_1_1_8_dblreq_bytes_behind_the_message_are_dropped() {
    let mut bytes = with(REGISTER, &["Call-ID: dbl"]);
    let second = with(INVITE, &["Call-ID: second"]);
    bytes.extend_from_slice(&second);
    let message = read(&bytes).unwrap();
    assert_eq!((message.call_id().unwrap(), message.body().len()), ("dbl", 0));
    assert_eq!(message.vias().count(), 1);
}

#[test]
fn s3_1_1_9_semiuri_semicolons_in_the_user_part() {
    let bytes = with("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0", &[]);
    let uri = read(&bytes).unwrap().request_uri().unwrap();
    assert_eq!(uri.user(), Some("user;par=u%40example.net"));
    assert_eq!(uri.params().iter().count(), 0);
}

#[test]
fn s3_1_1_10_transports_unknown_ones_too() {
    let bytes = with(
        OPTIONS,
        &[
            "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bKa",
            "Via: SIP/2.0/SCTP t2.example.com;branch=z9hG4bKb",
            "Via: SIP/2.0/TLS t3.example.com;branch=z9hG4bKc",
            "Via: SIP/2.0/UNHEARD t4.example.com;branch=z9hG4bKd",
            "Via: SIP/2.0/TCP t5.example.com;branch=z9hG4bKe",
        ],
    );
    let message = read(&bytes).unwrap();
    let transports: Vec<_> = message.vias().map(|via| via.unwrap().transport).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNHEARD", "TCP"]);
}

#[test]
fn s3_1_1_11_mpart01_binary_parts() {
    let mut body = b"--b1\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b1\r\n".to_vec();
    body.extend_from_slice(b"Content-Type: application/octet-stream\r\n\r\n");
    body.extend_from_slice(&[0x00, 0xff, 0x30, 0x82, 0x0d, 0x0a, 0x0d, 0x0a, 0x80]);
    body.extend_from_slice(b"\r\n--b1--\r\n");
    let mut bytes = with(
        "MESSAGE sip:callee@example.com SIP/2.0",
        &[&format!("Content-Length: {}", body.len()), "Content-Type: multipart/mixed;boundary=b1"],
    );
    bytes.extend_from_slice(&body);
    let message = read(&bytes).unwrap();
    let media_type = message.content_type().unwrap().unwrap();
    assert!(media_type.is("MULTIPART", "mixed"));
    assert_eq!(media_type.params.text("boundary"), Some("b1"));
    assert_eq!(message.body(), body);
}

fn response(line: &[u8], lines: &[&str]) -> Vec<u8> {
    let request = with(INVITE, lines);
    let at = request.iter().position(|b| *b == b'\r').unwrap();
    [line, &request[at..]].concat()
}

#[test]
fn s3_1_1_12_unreason_any_reason_phrase() {
    let phrase = "= 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}";
    let bytes = response(format!("SIP/2.0 200 {phrase}").as_bytes(), &[]);
    let message = read(&bytes).unwrap();
    assert_eq!((message.status(), message.reason().as_ref()), (Some(StatusCode::OK), phrase));
}

#[test]
fn s3_1_1_13_noreason_no_reason_phrase() {
    let bytes = response(b"SIP/2.0 100 ", &[]);
    let message = read(&bytes).unwrap();
    assert_eq!((message.status(), message.reason().as_ref()), (Some(StatusCode::TRYING), ""));
}

// 3.1.2 Invalid messages

#[test]
fn s3_1_2_1_badinv01_separators_without_values() {
    refused(&with(INVITE, &["Contact: \"Joe\" <sip:joe@example.org>;;;;"]), 400);
    let bad_via = with(INVITE, &["Via: SIP/2.0/UDP 192.0.2.15;;,;,,"]);
    let error = read(&bad_via).unwrap_err();
    assert_eq!(error.status(), Some(StatusCode::BAD_REQUEST));
}

#[test]
fn s3_1_2_2_clerr_content_length_beyond_the_datagram() {
    refused(&with(INVITE, &["Content-Length: 9999"]), 400);
}

#[test]
fn s3_1_2_3_ncl_negative_content_length() {
    refused(&with(INVITE, &["Content-Length: -999"]), 400);
}

#[test]
fn s3_1_2_4_scalar02_numbers_beyond_their_range() {
    refused(&with(REGISTER, &["CSeq: 36893488147419103232 REGISTER"]), 400);
    refused(&with(REGISTER, &["CSeq: 2147483648 REGISTER"]), 400);
    refused(&with(REGISTER, &["Max-Forwards: 300"]), 400);
    refused(&with(REGISTER, &["Expires: 10000000000000"]), 400);
    let contact = "Contact: <sip:user@host129.example.com>;expires=280297596632815";
    let bytes = with(REGISTER, &[contact]);
    let contact = read(&bytes).unwrap().contacts().next().unwrap().unwrap();
    assert_eq!(contact.addr().unwrap().expires(), None);
}

#[test]
fn s3_1_2_5_scalarlg_overlarge_numbers_in_a_response() {
    dropped(&response(b"SIP/2.0 503 Service Unavailable", &["CSeq: 9223372036854775808 OPTIONS"]));
    dropped(&response(
        b"SIP/2.0 503 Service Unavailable",
        &["Retry-After: 949302838503028349304978988"],
    ));
}

#[test]
fn s3_1_2_6_quotbal_quoted_string_without_end() {
    refused(&with(INVITE, &["To: \"Mr. J. User <sip:j.user@example.com>"]), 400);
}

#[test]
fn s3_1_2_7_ltgtruri_brackets_around_the_request_uri() {
    refused(&with("INVITE <sip:user@example.com> SIP/2.0", &[]), 400);
}

#[test]
fn s3_1_2_8_lwsruri_blank_in_the_request_uri() {
    refused(&with("INVITE sip:user@example.com; lr SIP/2.0", &[]), 400);
}

#[test]
fn s3_1_2_9_lwsstart_many_blanks_in_the_request_line() {
    refused(&with("INVITE  sip:user@example.com  SIP/2.0", &[]), 400);
}

#[test]
fn s3_1_2_10_trws_blanks_behind_the_request_line() {
    refused(&with("OPTIONS sip:remote-target@example.com SIP/2.0  ", &[]), 400);
}

#[test]
fn s3_1_2_11_escruri_headers_in_the_request_uri() {
    refused(&with("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0", &[]), 400);
}

/// The RFC lets a receiver ignore the header, and we have no use for it.
#[test]
fn s3_1_2_12_baddate_is_ignored() {
    read(&with(INVITE, &["Date: Fri, 01 Jan 2010 16:00:00 EST"])).unwrap();
}

#[test]
fn s3_1_2_13_regbadct_question_mark_without_brackets() {
    let contact = "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E";
    refused(&with(REGISTER, &[contact]), 400);
}

#[test]
fn s3_1_2_14_badaspec_blanks_in_the_address() {
    refused(&with(OPTIONS, &["To: \"Watson, Thomas\" < sip:t.watson@example.org >"]), 400);
}

#[test]
fn s3_1_2_15_baddn_comma_in_an_unquoted_name() {
    refused(&with(OPTIONS, &["From: Bell, Alexander <sip:a.bell@example.com>;tag=43"]), 400);
}

#[test]
fn s3_1_2_16_badvers_other_version() {
    refused(&with("OPTIONS sip:t.watson@example.org SIP/7.0", &[]), 505);
}

#[test]
fn s3_1_2_17_mismatch01_cseq_of_another_method() {
    refused(&with(OPTIONS, &["CSeq: 8 INVITE"]), 400);
}

#[test]
fn s3_1_2_18_mismatch02_unknown_method_and_another_in_cseq() {
    refused(&with("NEWMETHOD sip:user@example.com SIP/2.0", &["CSeq: 8 INVITE"]), 501);
}

#[test]
fn s3_1_2_19_bigcode_status_code_beyond_range() {
    dropped(&response(b"SIP/2.0 4294967301 better not break the receiver", &[]));
    dropped(&response(b"SIP/2.0 700 no such class", &[]));
}

// 3.2 Transaction layer

#[test]
fn s3_2_1_badbranch_is_the_transaction_layers_to_see() {
    let bytes = with(OPTIONS, &["Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"]);
    assert_eq!(read(&bytes).unwrap().top_via().unwrap().branch(), Some("z9hG4bK"));
}

// 3.3 Application layer

#[test]
fn s3_3_1_insuf_mandatory_headers_missing() {
    for (line, header) in [
        ("Call-ID: -", HeaderName::CallId),
        ("From: -", HeaderName::From),
        ("To: -", HeaderName::To),
        ("CSeq: -", HeaderName::CSeq),
    ] {
        let bytes = with(INVITE, &[line]);
        refused(&bytes, 400);
        assert_eq!(read(&bytes).unwrap_err().header, Some(header));
    }
}

#[test]
fn s3_3_2_unkscm_unknown_scheme_in_the_request_uri() {
    let bytes = with("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0", &[]);
    let uri = read(&bytes).unwrap().request_uri().unwrap();
    assert_eq!(uri.scheme(), Scheme::Other("nobodyKnowsThisScheme"));
}

#[test]
fn s3_3_3_novelsc_known_scheme_of_another_protocol() {
    let bytes = with("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", &[]);
    let uri = read(&bytes).unwrap().request_uri().unwrap();
    assert_eq!((uri.scheme(), uri.host()), (Scheme::Other("soap.beep"), None));
}

#[test]
fn s3_3_4_unksm2_unknown_schemes_in_headers() {
    let bytes = with(
        REGISTER,
        &[
            "To: isbn:2983792873",
            "From: <http://www.example.com>;tag=3234233",
            "Contact: <name:John_Smith>",
        ],
    );
    let message = read(&bytes).unwrap();
    assert_eq!(message.to().unwrap().uri.scheme(), Scheme::Other("isbn"));
    assert_eq!(message.from_().unwrap().tag(), Some("3234233"));
}

#[test]
fn s3_3_5_bext01_unknown_extensions_required() {
    let bytes = with(
        OPTIONS,
        &[
            "Require: nothingSupportsThis, nothingSupportsThisEither",
            "Proxy-Require: noProxiesSupportThis",
        ],
    );
    let message = read(&bytes).unwrap();
    assert_eq!(message.values(HeaderName::Require).count(), 2);
    assert!(message.has_token(HeaderName::ProxyRequire, "noproxiessupportthis"));
}

#[test]
fn s3_3_6_invut_unknown_content_type() {
    let mut bytes = with(INVITE, &["Content-Type: application/unknownformat", "Content-Length: 3"]);
    bytes.extend_from_slice(b"xyz");
    let message = read(&bytes).unwrap();
    assert!(message.content_type().unwrap().unwrap().is("application", "unknownformat"));
}

#[test]
fn s3_3_7_regaut01_unknown_authorization_scheme() {
    let bytes = with(REGISTER, &["Authorization: NoOneKnowsThisScheme opaque-data=here"]);
    let message = read(&bytes).unwrap();
    assert_eq!(message.authorization().next().unwrap().unwrap().scheme, "NoOneKnowsThisScheme");
}

#[test]
fn s3_3_8_multi01_single_headers_twice() {
    for line in [
        "CSeq: 8 INVITE\nCSeq: 9 INVITE",
        "Call-ID: a\nCall-ID: b",
        "From: <sip:a@example.com>;tag=1\nFrom: <sip:b@example.com>;tag=2",
        "To: <sip:a@example.com>\nt: <sip:b@example.com>",
        "Max-Forwards: 70\nMax-Forwards: 5",
    ] {
        refused(&with(INVITE, &[line]), 400);
    }
}

#[test]
fn s3_3_9_mcl01_two_content_lengths() {
    let mut bytes = with(OPTIONS, &["Content-Length: 4\nContent-Length: 5"]);
    bytes.extend_from_slice(b"12345");
    refused(&bytes, 400);
}

#[test]
fn s3_3_10_bcast_broadcast_address_in_via() {
    let bytes = response(
        b"SIP/2.0 200 OK",
        &[
            "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1\nVia: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK2",
        ],
    );
    assert_eq!(read(&bytes).unwrap().vias().count(), 2);
}

#[test]
fn s3_3_11_zeromf_no_hops_left() {
    let bytes = with(OPTIONS, &["Max-Forwards: 0"]);
    assert_eq!(read(&bytes).unwrap().max_forwards().unwrap(), Some(0));
}

#[test]
fn s3_3_12_cparam01_parameter_of_the_contact_header() {
    let bytes = with(REGISTER, &["Contact: sip:+12025550101@gw1.example.net;unknownparam"]);
    let contact = read(&bytes).unwrap().contacts().next().unwrap().unwrap().addr().unwrap();
    assert_eq!(
        (contact.param("unknownparam"), contact.uri.param("unknownparam")),
        (Some(""), None)
    );
}

#[test]
fn s3_3_13_cparam02_parameter_of_the_contact_uri() {
    let bytes = with(REGISTER, &["Contact: <sip:+12025550101@gw1.example.net;unknownparam>"]);
    let contact = read(&bytes).unwrap().contacts().next().unwrap().unwrap().addr().unwrap();
    assert_eq!(
        (contact.param("unknownparam"), contact.uri.param("unknownparam")),
        (None, Some(""))
    );
}

#[test]
fn s3_3_14_regescrt_escaped_header_in_the_contact_uri() {
    let bytes =
        with(REGISTER, &["Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>"]);
    let contact = read(&bytes).unwrap().contacts().next().unwrap().unwrap().addr().unwrap();
    let fields: Vec<_> = contact.uri.header_fields().collect();
    assert_eq!(fields, [("Route", "%3Csip:sip.example.com%3E")]);
}

#[test]
fn s3_3_15_sdp01_unacceptable_accept() {
    let bytes = with(INVITE, &["Accept: text/nobodyKnowsThis"]);
    assert_eq!(read(&bytes).unwrap().text(HeaderName::Accept), Some("text/nobodyKnowsThis"));
}

// 3.4 Backward compatibility

#[test]
fn s3_4_1_inv2543_a_request_of_rfc_2543() {
    let bytes = datagram(
        "
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+12025550111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+12025550122@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp

v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.5
",
    );
    let expected = Core {
        method: "INVITE",
        call_id: "inv2543.1717@ift.client.example.com",
        cseq: 56,
        from_tag: None,
        to_tag: None,
        vias: 1,
        branch: None,
        body: 48,
    };
    core(&bytes, expected);
    let other = Token::new("X-None").map(HeaderName::Other).unwrap();
    assert_eq!(read(&bytes).unwrap().header(other), None);
}
