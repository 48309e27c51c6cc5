#![no_main]

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Instant,
};

use libfuzzer_sys::fuzz_target;
use phoneai_sip::{
    auth::{Claim, Credentials, DigestClient, DigestServer, Password, Verdict},
    message::{AuthValue, HeaderName, Message, Method, Request, Response, StatusCode},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = AuthValue::parse(bytes) else { return };
    let _ = value.params().count();
    // As credentials: nobody gets in who does not know the password.
    let now = Instant::now();
    let mut server = DigestServer::new("example.com", [7; 32], now);
    let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let claim = Claim { source, method: Method::Register, uri: b"sip:example.com", body: b"" };
    let verdict = server.verify(now, &claim, [value].into_iter(), |_| None);
    assert!(!matches!(verdict, Verdict::Accepted { .. }));
    // As a challenge: whatever it asks for, the answer is a header that can be read.
    let challenge =
        Response::new(StatusCode::UNAUTHORIZED).header(HeaderName::WwwAuthenticate, bytes);
    let challenge = challenge.to_bytes();
    let Ok(challenge) = Message::parse(&challenge) else { return };
    let mut client = DigestClient::new(Credentials {
        username: "bob".to_owned(),
        password: Password::new("secret"),
        realm: None,
    });
    let mut request = Request::new(Method::Register, "sip:example.com");
    if client.answer(&mut request, &challenge, "c0ffee").is_ok() {
        let answer = request.headers().find(HeaderName::Authorization).expect("an answer");
        AuthValue::parse(answer).expect("our own credentials can be read");
    }
});
