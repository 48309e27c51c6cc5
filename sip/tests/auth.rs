//! Digest authentication: our client against our server, and both against fixed vectors.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use phoneai_sip::{
    auth::{
        Algorithm, AuthError, Claim, Credentials, DigestClient, DigestServer, Ha1, Password,
        Refusal, Verdict,
    },
    message::{AuthValue, HeaderName, Message, Method, Request, Response, StatusCode},
};

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const URI: &str = "sip:example.com";
const CNONCE: &str = "0a4f113b";

#[expect(
    clippy::disallowed_methods,
    reason = "any instant serves as the beginning of virtual time"
)]
fn start() -> Instant {
    Instant::now()
}

fn server(now: Instant) -> DigestServer {
    DigestServer::new("example.com", [7; 32], now)
}

fn client() -> DigestClient {
    client_with("secret", None)
}

fn client_with(password: &str, realm: Option<&str>) -> DigestClient {
    DigestClient::new(Credentials {
        username: "bob".into(),
        password: Password::new(password),
        realm: realm.map(str::to_owned),
    })
}

fn request() -> Request {
    Request::new(Method::Register, URI)
        .header(HeaderName::Via, "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1")
        .header(HeaderName::From, "<sip:bob@example.com>;tag=1")
        .header(HeaderName::To, "<sip:bob@example.com>")
        .header(HeaderName::CallId, "1")
        .header(HeaderName::CSeq, "1 REGISTER")
}

fn challenged(lines: &[String]) -> Vec<u8> {
    let bytes = request().to_bytes();
    let mut response = Response::to(&Message::parse(&bytes).unwrap(), StatusCode::UNAUTHORIZED);
    for line in lines {
        response.headers_mut().push(HeaderName::WwwAuthenticate, line);
    }
    response.to_bytes()
}

fn answer(
    client: &mut DigestClient,
    request: &mut Request,
    lines: &[String],
) -> Result<(), AuthError> {
    client.answer(request, &Message::parse(&challenged(lines)).unwrap(), CNONCE)
}

fn verify(server: &mut DigestServer, now: Instant, request: &Request) -> Verdict {
    verify_from(server, now, request, SOURCE)
}

fn verify_from(
    server: &mut DigestServer,
    now: Instant,
    request: &Request,
    source: IpAddr,
) -> Verdict {
    let claim = Claim { source, method: request.method(), uri: request.uri(), body: b"" };
    let values = request.headers().all(HeaderName::Authorization);
    server.verify(now, &claim, values.map(|v| AuthValue::parse(v).unwrap()), |user| {
        (user == "bob").then(|| Ha1::new("bob", "example.com", &Password::new("secret")))
    })
}

fn credentials(request: &Request) -> String {
    String::from_utf8(request.headers().find(HeaderName::Authorization).unwrap().to_vec()).unwrap()
}

#[test]
fn the_right_password_is_accepted_and_the_strongest_algorithm_taken() {
    let now = start();
    let (mut server, mut client, mut request) = (server(now), client(), request());
    let lines = server.challenge(now, SOURCE, false);
    assert_eq!(lines.len(), 2);
    answer(&mut client, &mut request, &lines).unwrap();
    assert!(credentials(&request).contains("algorithm=SHA-256"));
    assert_eq!(verify(&mut server, now, &request), Verdict::Accepted { username: "bob".into() });
}

#[test]
fn the_next_request_counts_up_and_a_replay_is_stale() {
    let now = start();
    let (mut server, mut client, mut first) = (server(now), client(), request());
    let lines = server.challenge(now, SOURCE, false);
    answer(&mut client, &mut first, &lines).unwrap();
    let mut second = request();
    client.authorize(&mut second, "beef");
    assert!(credentials(&second).contains("nc=00000002"));
    assert!(matches!(verify(&mut server, now, &first), Verdict::Accepted { .. }));
    assert_eq!(verify(&mut server, now, &first), Verdict::Stale);
    assert!(matches!(verify(&mut server, now, &second), Verdict::Accepted { .. }));
    assert_eq!(verify(&mut server, now, &first), Verdict::Stale);
}

#[test]
fn a_wrong_answer_uses_up_no_count() {
    let now = start();
    let (mut server, mut right, mut wrong) = (server(now), client(), client_with("guess", None));
    let lines = server.challenge(now, SOURCE, false);
    let (mut good, mut bad) = (request(), request());
    answer(&mut right, &mut good, &lines).unwrap();
    answer(&mut wrong, &mut bad, &lines).unwrap();
    assert_eq!(verify(&mut server, now, &bad), Verdict::Refused(Refusal::WrongPassword));
    assert!(matches!(verify(&mut server, now, &good), Verdict::Accepted { .. }));
}

#[test]
fn unknown_user_and_wrong_password_look_the_same() {
    let now = start();
    let mut server = server(now);
    let lines = server.challenge(now, SOURCE, false);
    let mut unknown = DigestClient::new(Credentials {
        username: "mallory".into(),
        password: Password::new("secret"),
        realm: None,
    });
    let mut request = request();
    answer(&mut unknown, &mut request, &lines).unwrap();
    assert_eq!(verify(&mut server, now, &request), Verdict::Refused(Refusal::WrongPassword));
}

#[test]
fn wrong_credentials_are_sent_only_once() {
    let now = start();
    let (mut server, mut client, mut request) =
        (server(now), client_with("guess", None), request());
    let lines = server.challenge(now, SOURCE, false);
    answer(&mut client, &mut request, &lines).unwrap();
    let again = server.challenge(now, SOURCE, false);
    assert_eq!(
        answer(&mut client, &mut request, &again),
        Err(AuthError::Rejected("example.com".into()))
    );
}

#[test]
fn an_old_nonce_is_stale_and_the_client_tries_again() {
    let now = start();
    let (mut server, mut client, mut request) = (server(now), client(), request());
    let lines = server.challenge(now, SOURCE, false);
    answer(&mut client, &mut request, &lines).unwrap();
    let later = now + Duration::from_secs(301);
    assert_eq!(verify(&mut server, later, &request), Verdict::Stale);
    let lines = server.challenge(later, SOURCE, true);
    answer(&mut client, &mut request, &lines).unwrap();
    assert!(matches!(verify(&mut server, later, &request), Verdict::Accepted { .. }));
}

#[test]
fn a_server_that_calls_every_nonce_stale_is_left() {
    let now = start();
    let (mut server, mut client, mut request) = (server(now), client(), request());
    let mut tries = 0;
    while answer(&mut client, &mut request, &server.challenge(now, SOURCE, true)).is_ok() {
        tries += 1;
        assert!(tries < 10);
    }
    assert_eq!(tries, 4);
}

#[test]
fn a_used_nonce_that_aged_without_word_is_replaced_once() {
    let now = start();
    let (mut server, mut client, mut first) = (server(now), client(), request());
    answer(&mut client, &mut first, &server.challenge(now, SOURCE, false)).unwrap();
    let mut second = request();
    client.authorize(&mut second, CNONCE);
    answer(&mut client, &mut second, &server.challenge(now, SOURCE, false)).unwrap();
    assert!(credentials(&second).contains("nc=00000001"));
    assert!(answer(&mut client, &mut second, &server.challenge(now, SOURCE, false)).is_err());
}

/// EnableSecurity 2021-05: a peer in a call challenges our BYE with a realm of its own.
#[test]
fn no_credentials_leak_to_another_realm() {
    let foreign = ["Digest realm=\"evil\", nonce=\"1\", qop=\"auth\"".to_owned()];
    let mut bound = client_with("secret", Some("example.com"));
    let mut request = request();
    assert_eq!(answer(&mut bound, &mut request, &foreign), Err(AuthError::Realm("evil".into())));
    assert!(request.headers().find(HeaderName::Authorization).is_none());
    // Without a configured realm, the first one stays the only one.
    let now = start();
    let (mut learning, mut server) = (client(), server(now));
    answer(&mut learning, &mut request, &server.challenge(now, SOURCE, false)).unwrap();
    assert_eq!(answer(&mut learning, &mut request, &foreign), Err(AuthError::Realm("evil".into())));
}

#[test]
fn a_nonce_is_good_only_for_the_address_it_was_given_to() {
    let now = start();
    let (mut server, mut client, mut request) = (server(now), client(), request());
    answer(&mut client, &mut request, &server.challenge(now, SOURCE, false)).unwrap();
    let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 8));
    assert_eq!(
        verify_from(&mut server, now, &request, other),
        Verdict::Refused(Refusal::ForeignNonce)
    );
    let mut restarted = DigestServer::new("example.com", [8; 32], now);
    assert_eq!(verify(&mut restarted, now, &request), Verdict::Refused(Refusal::ForeignNonce));
}

#[test]
fn a_digest_for_another_method_or_uri_is_refused() {
    let now = start();
    let (mut server, mut client, mut request) = (server(now), client(), request());
    answer(&mut client, &mut request, &server.challenge(now, SOURCE, false)).unwrap();
    let stolen = credentials(&request);
    let invite = Request::new(Method::Invite, URI).header(HeaderName::Authorization, &stolen);
    assert_eq!(verify(&mut server, now, &invite), Verdict::Refused(Refusal::WrongPassword));
    let elsewhere = Request::new(Method::Register, "sip:other.example.com")
        .header(HeaderName::Authorization, &stolen);
    assert_eq!(verify(&mut server, now, &elsewhere), Verdict::Refused(Refusal::WrongUri));
}

#[test]
fn stripped_protection_and_weaker_algorithms_are_refused() {
    let now = start();
    let mut server = server(now).without_md5();
    let (mut client, mut request) = (client(), request());
    answer(&mut client, &mut request, &server.challenge(now, SOURCE, false)).unwrap();
    let whole = credentials(&request);
    for damaged in [
        whole.replace(", qop=auth", ""),
        whole.replace("algorithm=SHA-256", "algorithm=MD5"),
        whole.replace("nc=00000001", "nc=1"),
        whole.replace("nc=00000001", "nc=00000000"),
        whole.replace("nc=00000001", "nc=+0000001"),
        whole.replace("username=", "user="),
    ] {
        request.headers_mut().set(HeaderName::Authorization, &damaged);
        assert!(matches!(verify(&mut server, now, &request), Verdict::Refused(_)), "{damaged}");
    }
    request.headers_mut().remove(HeaderName::Authorization);
    assert_eq!(verify(&mut server, now, &request), Verdict::Refused(Refusal::Missing));
}

/// Vectors computed with Python's hashlib, not with this code.
#[test]
fn answers_are_those_of_an_independent_implementation() {
    let cases = [
        // No qop and no algorithm: RFC 2069, as old registrars have it.
        ("Digest realm=\"r\", nonce=\"n\"", VECTORS[0]),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=MD5, qop=\"auth,auth-int\"", VECTORS[1]),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=md5-sess, qop=auth", VECTORS[2]),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth\"", VECTORS[3]),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256, qop=\"auth\"", VECTORS[4]),
        ("Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256, qop=\"auth-int\"", VECTORS[5]),
    ];
    for (challenge, expected) in cases {
        let mut request = request();
        answer(&mut client(), &mut request, &[challenge.to_owned()]).unwrap();
        let value = credentials(&request);
        assert!(value.contains(&format!("response=\"{expected}\"")), "{challenge} → {value}");
    }
}

#[test]
fn opaque_comes_back_and_quotes_are_escaped() {
    let mut request = request();
    let challenge = r#"Digest realm="a \"b\"", nonce="n", opaque="o\\p", qop="auth""#.to_owned();
    answer(&mut client(), &mut request, &[challenge]).unwrap();
    let value = credentials(&request);
    assert!(value.contains(r#"realm="a \"b\"""#) && value.contains(r#"opaque="o\\p""#), "{value}");
}

#[test]
fn challenges_that_cannot_be_answered_are_passed_over() {
    for challenge in [
        "Basic realm=\"r\"",
        "Digest realm=\"r\"",
        "Digest nonce=\"n\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=XYZ",
        "Digest realm=\"r\", nonce=\"n\", qop=\"mumble\"",
    ] {
        let result = answer(&mut client(), &mut request(), &[challenge.to_owned()]);
        assert_eq!(result, Err(AuthError::NoChallenge), "{challenge}");
    }
}

#[test]
fn a_407_is_answered_in_proxy_authorization() {
    let bytes = request().to_bytes();
    let response =
        Response::to(&Message::parse(&bytes).unwrap(), StatusCode::PROXY_AUTHENTICATION_REQUIRED)
            .header(HeaderName::ProxyAuthenticate, "Digest realm=\"r\", nonce=\"n\"")
            .to_bytes();
    let mut request = request();
    client().answer(&mut request, &Message::parse(&response).unwrap(), CNONCE).unwrap();
    assert!(request.headers().find(HeaderName::ProxyAuthorization).is_some());
    assert!(request.headers().find(HeaderName::Authorization).is_none());
}

const VECTORS: [&str; 6] = [
    "accac7bd884d40ddaaf4dd9523cdc161",
    "cfb15c78dbb2fd286d38d1cbc54572b3",
    "51572b34f1f0a4a445d4a4d0cd9a2947",
    "7c97d8f6c8c5e2824348d2a3f261cc7370866c7968af6fb5a583bb21d90a7768",
    "57643c83bbb0a4c9e77618ffaaa1c0f090e6eced31e35aeaa2650993ede2366a",
    "0fff9bb8312f514982e42d9b44cbb1b5ab491427826bf9c4c25b3ea28f589dea",
];

#[test]
fn every_algorithm_is_accepted_by_a_server_that_offers_it() {
    let now = start();
    for algorithm in Algorithm::ALL {
        let mut server = server(now).with_algorithms(vec![algorithm]).with_integrity();
        let mut request = request();
        let lines = server.challenge(now, SOURCE, false);
        let response = challenged(&lines);
        let response = Message::parse(&response).unwrap();
        client().answer(&mut request, &response, "c0ffee").unwrap();
        let verdict = verify(&mut server, now, &request);
        assert!(matches!(verdict, Verdict::Accepted { .. }), "{algorithm:?}: {verdict:?}");
    }
}

#[test]
fn auth_int_is_accepted_and_a_changed_body_is_not() {
    let now = start();
    let mut server = server(now).with_integrity();
    let mut request = request();
    let lines = server.challenge(now, SOURCE, false);
    let only =
        lines.iter().map(|line| line.replace("auth,auth-int", "auth-int")).collect::<Vec<_>>();
    answer(&mut client(), &mut request, &only).unwrap();
    assert!(credentials(&request).contains("qop=auth-int"));
    let changed =
        Claim { source: SOURCE, method: Method::Register, uri: request.uri(), body: b"x" };
    let secret = |user: &str| Some(Ha1::new(user, "example.com", &Password::new("secret")));
    let credentials = request.headers().find(HeaderName::Authorization).unwrap();
    let values = [AuthValue::parse(credentials).unwrap()].into_iter();
    let verdict = server.verify(now, &changed, values, secret);
    assert_eq!(verdict, Verdict::Refused(Refusal::WrongPassword));
    assert!(matches!(verify(&mut server, now, &request), Verdict::Accepted { .. }));
}
