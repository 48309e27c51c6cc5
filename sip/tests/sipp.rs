//! Calls with SIPp, which knows nothing of how we think that SIP works.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

#[path = "support/sipp.rs"]
mod peer;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use peer::{Sipp, installed};
use phoneai_clock::Clock;
use phoneai_sip::{
    auth::{Credentials, Password},
    endpoint::{CallEvent, EndedBy, Endpoint, EndpointConfig},
    registration::{RegistrationConfig, RegistrationState},
    session::OutgoingCall,
    transport::udp::{self, Call, Handle, Inlets},
};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\n";

fn have_sipp() -> bool {
    installed("sipp", "Debian package sip-tester")
}

fn start() -> (Handle, Inlets) {
    let socket = udp::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&address.port().to_be_bytes());
    let endpoint = Endpoint::new(EndpointConfig::new(address), seed);
    udp::spawn(socket, endpoint, Clock::real()).unwrap()
}

fn credentials(password: &str) -> Option<Credentials> {
    Some(Credentials {
        username: "account".to_owned(),
        password: Password::new(password),
        realm: None,
    })
}

fn call_to(peer: SocketAddr) -> OutgoingCall {
    OutgoingCall {
        target_uri: "sip:1001@trunk.example.net".to_owned(),
        from_display: None,
        from_user: "account".to_owned(),
        from_host: "trunk.example.net".to_owned(),
        asserted_identity: Some("sip:+12025550100@trunk.example.net".to_owned()),
        destination: peer,
        transport: Default::default(),
        routes: Vec::new(),
        credentials: None,
        offer: SDP.into(),
        headers: Vec::new(),
    }
}

/// The next event; a minute without one is a failure.
async fn next(call: &mut Call) -> CallEvent {
    let wait = tokio::time::timeout(Duration::from_secs(60), call.events.recv());
    wait.await.expect("an event in time").expect("an event before the end")
}

#[tokio::test]
async fn a_trunk_that_challenges_plays_early_media_and_is_hung_up_on() {
    if !have_sipp() {
        return;
    }
    let (handle, _inlets) = start();
    let sipp = Sipp::start("uas_auth.xml", handle.local_addr());
    let mut outgoing = call_to(sipp.address);
    outgoing.credentials = credentials("secret");
    let mut call = handle.invite(outgoing).await.unwrap();
    let progress = next(&mut call).await;
    assert!(
        matches!(progress, CallEvent::Progress { status: 183, sdp: Some(_), .. }),
        "{progress:?}"
    );
    let answered = next(&mut call).await;
    assert!(matches!(answered, CallEvent::Answered { sdp: Some(_), .. }), "{answered:?}");
    call.hangup(Vec::new()).await.unwrap();
    assert!(matches!(next(&mut call).await, CallEvent::Ended(end) if end.by == EndedBy::Local));
    sipp.finish().await;
}

#[tokio::test]
async fn a_wrong_password_ends_the_call_after_one_try() {
    if !have_sipp() {
        return;
    }
    let (handle, _inlets) = start();
    let sipp = Sipp::start("uas_auth.xml", handle.local_addr());
    let mut outgoing = call_to(sipp.address);
    outgoing.credentials = credentials("wrong");
    let mut call = handle.invite(outgoing).await.unwrap();
    let CallEvent::Ended(end) = next(&mut call).await else { panic!("no end") };
    assert_eq!((end.by, end.status), (EndedBy::Failure, Some(403)));
    sipp.finish().await;
}

#[tokio::test]
async fn a_peer_that_loses_and_repeats_messages_is_called() {
    if !have_sipp() {
        return;
    }
    let (handle, _inlets) = start();
    let sipp = Sipp::start("uas_retransmits.xml", handle.local_addr());
    let mut call = handle.invite(call_to(sipp.address)).await.unwrap();
    let mut event = next(&mut call).await;
    assert!(matches!(event, CallEvent::Progress { status: 180, .. }), "{event:?}");
    // An INVITE that crosses the 180 on the way makes SIPp send it again.
    while matches!(event, CallEvent::Progress { status: 180, .. }) {
        event = next(&mut call).await;
    }
    assert!(matches!(event, CallEvent::Answered { .. }), "{event:?}");
    // The repeated 200 is no second answer, and SIPp sends its INFO only after the second ACK.
    let told = next(&mut call).await;
    let CallEvent::Info { content_type, body } = told else { panic!("{told:?}") };
    assert_eq!(content_type, "text/plain");
    assert_eq!(body.trim_ascii(), b"acknowledged twice");
    call.hangup(Vec::new()).await.unwrap();
    assert!(matches!(next(&mut call).await, CallEvent::Ended(end) if end.by == EndedBy::Local));
    sipp.finish().await;
}

#[tokio::test]
async fn a_peer_hangs_up_late() {
    if !have_sipp() {
        return;
    }
    let (handle, _inlets) = start();
    let sipp = Sipp::start("uas_hangs_up.xml", handle.local_addr());
    let mut call = handle.invite(call_to(sipp.address)).await.unwrap();
    assert!(matches!(next(&mut call).await, CallEvent::Answered { .. }));
    let CallEvent::Ended(end) = next(&mut call).await else { panic!("no end") };
    assert_eq!(end.by, EndedBy::Remote);
    assert!(end.reason_header.unwrap().starts_with("Q.850;cause=16"));
    sipp.finish().await;
}

#[tokio::test]
async fn a_caller_talks_asks_for_an_offer_and_hangs_up() {
    if !have_sipp() {
        return;
    }
    let (handle, mut inlets) = start();
    let sipp = Sipp::start("uac_talks.xml", handle.local_addr());
    let mut incoming = inlets.incoming.recv().await.unwrap();
    assert_eq!(incoming.request.from.user.as_deref(), Some("2000"));
    incoming.call.progress(180, None).await.unwrap();
    incoming.call.accept(SDP).await.unwrap();
    let offer = next(&mut incoming.call).await;
    assert!(matches!(offer, CallEvent::Offer { sdp: None }), "{offer:?}");
    let ours: Arc<[u8]> = SDP.into();
    incoming.call.answer_offer(Ok(ours)).await.unwrap();
    let answer = next(&mut incoming.call).await;
    let CallEvent::MediaAnswer { sdp } = answer else { panic!("{answer:?}") };
    assert!(String::from_utf8_lossy(&sdp).contains("m=audio 6002"));
    assert!(matches!(next(&mut incoming.call).await, CallEvent::Ended(end)
        if end.by == EndedBy::Remote));
    sipp.finish().await;
}

#[tokio::test]
async fn a_caller_cancels() {
    if !have_sipp() {
        return;
    }
    let (handle, mut inlets) = start();
    let sipp = Sipp::start("uac_cancels.xml", handle.local_addr());
    let mut incoming = inlets.incoming.recv().await.unwrap();
    incoming.call.progress(180, None).await.unwrap();
    let CallEvent::Ended(end) = next(&mut incoming.call).await else { panic!("no end") };
    assert_eq!((end.by, end.status), (EndedBy::Remote, Some(487)));
    sipp.finish().await;
}

#[tokio::test]
async fn a_registrar_challenges_and_decides_on_the_interval() {
    if !have_sipp() {
        return;
    }
    let (handle, _inlets) = start();
    let sipp = Sipp::start("registrar.xml", handle.local_addr());
    let config = RegistrationConfig {
        registrar_uri: "sip:trunk.example.net".to_owned(),
        address_of_record: "sip:account@trunk.example.net".to_owned(),
        contact_user: "account".to_owned(),
        destination: sipp.address,
        transport: Default::default(),
        credentials: credentials("secret"),
        expires: Duration::from_secs(120),
    };
    let registration = handle.register(config).await.unwrap();
    let mut state = registration.state();
    let registered = RegistrationState::Registered { expires: Duration::from_secs(298) };
    let settled = state.wait_for(|state| *state != RegistrationState::Trying);
    let settled = tokio::time::timeout(Duration::from_secs(60), settled).await.unwrap();
    assert_eq!(*settled.unwrap(), registered);
    registration.unregister().await;
    sipp.finish().await;
}
