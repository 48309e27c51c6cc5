//! The driver on real sockets of the loopback interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{net::SocketAddr, time::Duration};

use phoneai_clock::Clock;
use phoneai_sip::{
    endpoint::{CallEvent, EndedBy, Endpoint, EndpointConfig, Header},
    message::Method,
    registration::{RegistrationConfig, RegistrationState},
    session::OutgoingCall,
    transport::udp::{self, BindError, Handle, Inlets},
};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

fn start() -> (Handle, Inlets) {
    start_with(Vec::new())
}

fn start_with(handled: Vec<Method>) -> (Handle, Inlets) {
    let socket = udp::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = socket.local_addr().unwrap();
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&address.port().to_be_bytes());
    let mut config = EndpointConfig::new(address);
    config.handled = handled;
    let endpoint = Endpoint::new(config, seed);
    udp::spawn(socket, endpoint, Clock::real()).unwrap()
}

fn call_to(peer: SocketAddr) -> OutgoingCall {
    OutgoingCall {
        target_uri: format!("sip:1001@{peer}"),
        from_display: Some("Test".to_owned()),
        from_user: "1000".to_owned(),
        from_host: "example.net".to_owned(),
        asserted_identity: None,
        destination: peer,
        transport: Default::default(),
        routes: Vec::new(),
        credentials: None,
        offer: SDP.into(),
        headers: Vec::new(),
    }
}

#[tokio::test]
async fn a_call_goes_through_two_sockets_and_back() {
    let (ours, _inlets) = start();
    let (theirs, mut inlets) = start();
    let mut call = ours.invite(call_to(theirs.local_addr())).await.unwrap();
    let mut incoming = inlets.incoming.recv().await.unwrap();
    incoming.call.progress(180, None).await.unwrap();
    assert!(matches!(call.events.recv().await, Some(CallEvent::Progress { status: 180, .. })));
    incoming.call.accept(SDP).await.unwrap();
    assert!(matches!(call.events.recv().await, Some(CallEvent::Answered { .. })));
    call.hangup(Vec::new()).await.unwrap();
    let Some(CallEvent::Ended(ended)) = call.events.recv().await else { panic!("no end") };
    assert_eq!(ended.by, EndedBy::Local);
    let Some(CallEvent::Ended(ended)) = incoming.call.events.recv().await else { panic!("no end") };
    assert_eq!(ended.by, EndedBy::Remote);
    assert!(call.events.recv().await.is_none(), "nothing follows the end");
}

#[tokio::test]
async fn dropping_a_call_hangs_up() {
    let (ours, _inlets) = start();
    let (theirs, mut inlets) = start();
    let call = ours.invite(call_to(theirs.local_addr())).await.unwrap();
    let mut incoming = inlets.incoming.recv().await.unwrap();
    drop(call);
    let Some(CallEvent::Ended(ended)) = incoming.call.events.recv().await else { panic!("no end") };
    assert_eq!((ended.by, ended.status), (EndedBy::Remote, Some(487)));
}

#[tokio::test]
async fn shutdown_ends_all_calls_and_the_task() {
    let (ours, _inlets) = start();
    let (theirs, mut inlets) = start();
    let mut call = ours.invite(call_to(theirs.local_addr())).await.unwrap();
    let mut incoming = inlets.incoming.recv().await.unwrap();
    incoming.call.accept(SDP).await.unwrap();
    assert!(matches!(call.events.recv().await, Some(CallEvent::Answered { .. })));
    ours.shutdown(Duration::from_secs(10)).await;
    assert!(matches!(call.events.recv().await, Some(CallEvent::Ended(_))));
    assert!(matches!(incoming.call.events.recv().await, Some(CallEvent::Ended(_))));
    assert!(ours.invite(call_to(theirs.local_addr())).await.is_err());
}

#[tokio::test]
async fn a_registration_is_answered_by_the_user_of_the_other_endpoint() {
    let (ours, _inlets) = start();
    let (theirs, mut inlets) = start_with(vec![Method::Register]);
    let config = RegistrationConfig {
        registrar_uri: "sip:example.net".to_owned(),
        address_of_record: "sip:account@example.net".to_owned(),
        contact_user: "account".to_owned(),
        destination: theirs.local_addr(),
        transport: Default::default(),
        credentials: None,
        expires: Duration::from_secs(600),
    };
    let registration = ours.register(config).await.unwrap();
    let request = inlets.requests.recv().await.unwrap();
    assert_eq!(request.request.method, Method::Register);
    request.respond(200, vec![Header::new("Expires", "60")], None).await.unwrap();
    let mut state = registration.state();
    let registered = RegistrationState::Registered { expires: Duration::from_secs(60) };
    state.wait_for(|state| *state == registered).await.unwrap();
    let answer = async {
        // Refreshes may come before, on a clock that runs fast.
        while let Some(request) = inlets.requests.recv().await {
            let is_last = request.request.header("Expires").as_deref() == Some("0");
            request.respond(200, Vec::new(), None).await.unwrap();
            if is_last {
                break;
            }
        }
    };
    tokio::join!(registration.unregister(), answer);
}

#[tokio::test]
async fn a_call_whose_events_nobody_reads_is_hung_up() {
    let (ours, _inlets) = start();
    let (theirs, mut inlets) = start();
    let mut call = ours.invite(call_to(theirs.local_addr())).await.unwrap();
    let mut incoming = inlets.incoming.recv().await.unwrap();
    for _ in 0..200 {
        if incoming.call.progress(183, None).await.is_err() {
            break;
        }
    }
    let Some(CallEvent::Ended(ended)) = incoming.call.events.recv().await else { panic!("no end") };
    assert_eq!((ended.by, ended.status), (EndedBy::Remote, Some(487)));
    // What was told before it overflowed is there, and the end.
    let mut last = None;
    while let Some(event) = call.events.recv().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(CallEvent::Ended(end)) if end.by == EndedBy::Local));
}

#[tokio::test]
async fn callers_are_refused_when_nobody_takes_calls() {
    let (ours, _inlets) = start();
    let (theirs, inlets) = start();
    drop(inlets);
    let mut call = ours.invite(call_to(theirs.local_addr())).await.unwrap();
    let Some(CallEvent::Ended(ended)) = call.events.recv().await else { panic!("no end") };
    assert_eq!((ended.by, ended.status), (EndedBy::Failure, Some(503)));
    assert_eq!(ended.retry_after, Some(Duration::from_secs(10)));
}

#[test]
fn a_busy_port_is_named_with_what_to_do() {
    let first = udp::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = first.local_addr().unwrap();
    let error = udp::bind(address).unwrap_err();
    assert!(matches!(error, BindError::Busy(busy) if busy == address));
    assert!(error.to_string().contains("choose another port"));
}
