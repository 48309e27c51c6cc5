//! The service as phones and the trunk meet it: they register, call the numbers that it answers
//! itself, and are still known after a restart.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use phoneai::{
    calls::{agreement::Agreement, live::What},
    config::{Config, Secret, Trunk},
    service::{self, Running},
    speech::scripted::Scripted,
    store::{ExtensionChange, UserId},
};
use phoneai_clock::Clock;
use phoneai_media::socket::{MediaEvent, MediaThreads, PortRange, Stream, StreamConfig};
use phoneai_sip::{
    auth::{Credentials, Password},
    endpoint::{CallEvent, Endpoint, EndpointConfig},
    registration::{RegistrationConfig, RegistrationState},
    session::OutgoingCall,
    transport::udp::{self, Call, Handle, Inlets, RegistrationHandle},
};
use support::LOOPBACK;

/// What takes longer in real time will never end.
const LIMIT: Duration = Duration::from_secs(60);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

fn config(data: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.api.listen = LOOPBACK;
    config.sip.listen = LOOPBACK;
    config.sip.trunk_listen = Some(LOOPBACK);
    config.store.data_dir = data.to_owned();
    config.trunk = Some(Trunk::at("127.0.0.1:5090".parse().expect("a host")));
    config.recording.enabled = false;
    config
}

async fn start(config: Config) -> Running {
    let engine = Arc::new(Scripted::phrases(0, |_| Vec::new()));
    service::start(config, engine, Clock::real()).await.expect("a service")
}

/// A service whose extension 1001 has the password `secret`.
async fn service_with_phone(data: &std::path::Path) -> Running {
    let service = start(config(data)).await;
    make(&service, "1001", "secret").await;
    service
}

async fn make(service: &Running, name: &str, password: &str) {
    let store = service.store();
    let user = match store.users().await.unwrap().first() {
        Some(user) => user.id,
        None => {
            store.create_user("alice", "", false).await.unwrap();
            UserId(1)
        }
    };
    let accounts = [(name.to_owned(), Secret::new(password.to_owned()))];
    store.create_extensions(user, &accounts, "x").await.unwrap().unwrap();
}

fn phone() -> (Handle, Inlets) {
    let socket = udp::bind(LOOPBACK).unwrap();
    let config = EndpointConfig::new(socket.local_addr().unwrap());
    udp::spawn(socket, Endpoint::new(config, [3; 32]), Clock::real()).unwrap()
}

fn credentials(password: &str) -> Option<Credentials> {
    let password = Password::new(password);
    Some(Credentials { username: "1001".into(), password, realm: None })
}

/// Registers as 1001; how that ended.
async fn register(
    phone: &Handle,
    service: SocketAddr,
    password: &str,
) -> (RegistrationHandle, RegistrationState) {
    let config = RegistrationConfig {
        registrar_uri: format!("sip:{service}"),
        address_of_record: format!("sip:1001@{service}"),
        contact_user: "1001".to_owned(),
        destination: service,
        transport: Default::default(),
        credentials: credentials(password),
        expires: Duration::from_secs(600),
    };
    let registration = phone.register(config).await.unwrap();
    let mut state = registration.state();
    let decided = |state: &RegistrationState| *state != RegistrationState::Trying;
    let state = within(state.wait_for(decided)).await.unwrap().clone();
    (registration, state)
}

/// Registers as soon as the service knows the extension, or another password of it.
async fn register_soon(phone: &Handle, service: SocketAddr, password: &str) -> RegistrationHandle {
    within(async {
        loop {
            let (registration, state) = register(phone, service, password).await;
            if matches!(state, RegistrationState::Registered { .. }) {
                return registration;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn call_to(service: SocketAddr, number: &str, offer: String) -> OutgoingCall {
    OutgoingCall {
        target_uri: format!("sip:{number}@{service}"),
        from_display: None,
        from_user: "1001".to_owned(),
        from_host: service.to_string(),
        asserted_identity: None,
        destination: service,
        transport: Default::default(),
        routes: Vec::new(),
        credentials: credentials("secret"),
        offer: offer.into_bytes().into(),
        headers: Vec::new(),
    }
}

/// A call with audio.
struct Talk {
    call: Call,
    stream: Stream,
    _media: MediaThreads,
}

impl Talk {
    /// Calls a number, or gives the status that refused it.
    async fn begin(phone: &Handle, service: SocketAddr, number: &str) -> Result<Self, u16> {
        let media = MediaThreads::start(1, Clock::real()).unwrap();
        let config = StreamConfig::new(Ipv4Addr::LOCALHOST.into(), PortRange::Any);
        let stream = media.open(&config).unwrap();
        let local = stream.local_addr;
        let mut agreement = Agreement::new(local.ip(), local.port(), 1);
        let mut call =
            phone.invite(call_to(service, number, agreement.offer())).await.expect("room");
        loop {
            match within(call.events.recv()).await.expect("an end before the last event") {
                CallEvent::Answered { sdp, .. } => {
                    let answer = sdp.expect("an answer");
                    let agreed = agreement.read_answer(&answer, service.ip()).unwrap();
                    stream.control.configure(agreed.media.expect("an address")).unwrap();
                    return Ok(Self { call, stream, _media: media });
                }
                CallEvent::Ended(ended) => return Err(ended.status.expect("a status")),
                _ => {}
            }
        }
    }

    /// Waits until something as loud as speech is heard.
    async fn hear(&mut self) {
        within(async {
            loop {
                match self.stream.events.recv().await.expect("a stream") {
                    MediaEvent::Frame(frame) if frame.received.iter().any(|s| *s > 2_000) => return,
                    _ => {}
                }
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_registers_and_hears_itself_a_recording_and_no_unknown_number() {
    let data = tempfile::tempdir().unwrap();
    let service = service_with_phone(data.path()).await;
    let (phone, _inlets) = phone();
    let _registration = register_soon(&phone, service.sip_addr(), "secret").await;

    let mut echo = Talk::begin(&phone, service.sip_addr(), "9196").await.expect("an answer");
    let tone: Vec<i16> = (0..80_000).map(|n| if n / 8 % 2 == 0 { 8_000 } else { -8_000 }).collect();
    echo.stream.control.play(tone.into()).unwrap();
    echo.hear().await;
    let mut prompt = Talk::begin(&phone, service.sip_addr(), "9198").await.expect("an answer");
    prompt.hear().await;
    assert_eq!(Talk::begin(&phone, service.sip_addr(), "4711").await.err(), Some(404));

    // The end of the service ends its calls.
    within(service.shutdown()).await;
    assert!(matches!(within(echo.call.events.recv()).await, Some(CallEvent::Ended(_))));
    assert!(matches!(within(prompt.call.events.recv()).await, Some(CallEvent::Ended(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trunk_calls_without_a_password_at_its_own_place_alone() {
    let data = tempfile::tempdir().unwrap();
    let service = service_with_phone(data.path()).await;
    let (trunk, _inlets) = phone();
    let place = service.trunk_addr();
    assert_ne!(place, service.sip_addr());
    let mut call = call_to(place, "9197", OFFER.to_owned());
    call.credentials = None;
    let mut answered = trunk.invite(call.clone()).await.unwrap();
    let event = within(answered.events.recv()).await;
    assert!(matches!(event, Some(CallEvent::Answered { .. })), "{event:?}");
    call.destination = service.sip_addr();
    let mut refused = trunk.invite(call).await.unwrap();
    match within(refused.events.recv()).await {
        Some(CallEvent::Ended(ended)) => assert_eq!(ended.status, Some(407)),
        other => panic!("{other:?}"),
    }
    within(service.shutdown()).await;
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 45000 RTP/AVP 0\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_outlives_the_service_and_another_password_ends_it() {
    let data = tempfile::tempdir().unwrap();
    let service = service_with_phone(data.path()).await;
    let (phone, _inlets) = phone();
    let registration = register_soon(&phone, service.sip_addr(), "secret").await;
    assert_eq!(service.phones_of("1001").await.len(), 1);
    within(service.shutdown()).await;

    let service = start(config(data.path())).await;
    let known = service.phones_of("1001").await;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].source.peer, phone.local_addr());

    let store = service.store();
    let change = ExtensionChange {
        sip_password: Some(Secret::new("changed".to_owned())),
        ..Default::default()
    };
    let id = store.extensions().await.unwrap()[0].id;
    store.update_extension(id, &change).await.unwrap();
    let again = register_soon(&phone, service.sip_addr(), "changed").await;
    let (_, state) = register(&phone, service.sip_addr(), "secret").await;
    assert!(matches!(state, RegistrationState::Refused { .. }), "{state:?}");
    drop((registration, again));
    within(service.shutdown()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_phone_is_called_by_its_extension_and_one_that_is_not_is_named() {
    let data = tempfile::tempdir().unwrap();
    let service = service_with_phone(data.path()).await;
    let (phone, mut inlets) = phone();
    let _registration = register_soon(&phone, service.sip_addr(), "secret").await;
    let token = service.store().create_token("test", false).await.unwrap();
    let url = format!("http://{}/api/v2/calls", service.api_addr());
    let authorization = format!("Token {token}");
    let call = |number: &'static str| {
        let (url, authorization) = (url.clone(), authorization.clone());
        within(async move {
            let asked = tokio::task::spawn_blocking(move || {
                let body = serde_json::json!({ "number": number });
                let answer =
                    ureq::post(&url).header("Authorization", &authorization).send_json(body);
                answer.expect("a call").body_mut().read_json::<serde_json::Value>().expect("JSON")
            });
            asked.await.unwrap()["id"].as_str().unwrap().to_owned()
        })
    };
    call("sip:1001@localhost").await;
    let incoming = within(inlets.incoming.recv()).await.expect("a call");
    assert_eq!(incoming.request.from.user.as_deref(), Some("phoneai"));
    incoming.call.reject(486, Vec::new()).await.unwrap();

    let mut live = service.live().watch();
    let id = call("sip:1002@localhost").await;
    let ended = within(async {
        loop {
            let event = live.recv().await.unwrap();
            if let What::Ended { reason, .. } = event.what
                && event.call.to_string() == id
            {
                return reason;
            }
        }
    })
    .await;
    assert_eq!(ended, "extension 1002 has no phone that is registered");
    within(service.shutdown()).await;
}
