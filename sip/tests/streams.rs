//! TCP and TLS on real sockets of the loopback interface.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    time::Duration,
};

use phoneai_clock::Clock;
use phoneai_sip::{
    auth::{Credentials, DigestServer, Ha1, Password},
    endpoint::{CallEvent, EndedBy, Endpoint, EndpointConfig, Reception},
    registrar::{Registrar, RegistrarConfig},
    registration::{RegistrationConfig, RegistrationState},
    session::OutgoingCall,
    transport::{
        TransportKind,
        stream::Streams,
        tls::{self, Identity},
        udp::{self, Handle, Inlets},
    },
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
/// What takes longer will never end.
const LIMIT: Duration = Duration::from_secs(60);

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("in time")
}

/// A port that is free for datagrams and connections.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let socket = udp::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        if let Ok(listener) = TcpListener::bind(socket.local_addr().unwrap()) {
            return (socket, listener);
        }
    }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&address.port().to_be_bytes());
    let config = EndpointConfig { advertised_tls: Some(address), ..EndpointConfig::new(address) };
    Endpoint::new(config, seed)
}

fn start_tcp() -> (Handle, Inlets) {
    let (socket, listener) = sockets();
    let streams = Streams { tcp: vec![listener], ..Streams::default() };
    let address = socket.local_addr().unwrap();
    udp::spawn_with(socket, streams, endpoint(address), Clock::real()).unwrap()
}

fn call_to(peer: SocketAddr, transport: TransportKind) -> OutgoingCall {
    OutgoingCall {
        target_uri: format!("sip:1001@{peer}"),
        from_display: None,
        from_user: "1000".to_owned(),
        from_host: "example.net".to_owned(),
        asserted_identity: None,
        destination: peer,
        transport,
        routes: Vec::new(),
        credentials: None,
        offer: SDP.into(),
        headers: Vec::new(),
    }
}

/// A call from one to the other that the callee answers and ends.
async fn talk(ours: &Handle, theirs: &Handle, inlets: &mut Inlets, transport: TransportKind) {
    let mut call = ours.invite(call_to(theirs.local_addr(), transport)).await.unwrap();
    let mut incoming = within(inlets.incoming.recv()).await.unwrap();
    assert_eq!(incoming.request.flow.transport, transport);
    incoming.call.accept(SDP).await.unwrap();
    let answered = within(call.events.recv()).await;
    let Some(CallEvent::Answered { response, .. }) = answered else { panic!("{answered:?}") };
    let name = transport.via_name().to_ascii_lowercase();
    assert!(response.contacts[0].ends_with(&format!(";transport={name}")), "{response:?}");
    // The callee's BYE takes the connection that is there.
    incoming.call.hangup(Vec::new()).await.unwrap();
    let Some(CallEvent::Ended(ended)) = within(call.events.recv()).await else { panic!("no end") };
    assert_eq!(ended.by, EndedBy::Remote);
    assert!(matches!(within(incoming.call.events.recv()).await, Some(CallEvent::Ended(_))));
}

#[tokio::test]
async fn a_call_goes_over_tcp_and_its_bye_comes_back_on_the_same_connection() {
    let (ours, _inlets) = start_tcp();
    let (theirs, mut inlets) = start_tcp();
    talk(&ours, &theirs, &mut inlets, TransportKind::Tcp).await;
}

#[tokio::test]
async fn a_peer_that_takes_no_connection_ends_the_call_at_once() {
    let (ours, _inlets) = start_tcp();
    let (_, listener) = sockets();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let mut call = ours.invite(call_to(nobody, TransportKind::Tcp)).await.unwrap();
    let Some(CallEvent::Ended(ended)) = within(call.events.recv()).await else { panic!("no end") };
    assert_eq!((ended.by, ended.status), (EndedBy::Timeout, Some(408)));
}

#[tokio::test]
async fn pings_are_answered_messages_in_pieces_are_read_and_rubbish_ends_the_connection() {
    let (ours, _inlets) = start_tcp();
    let mut peer = TcpStream::connect(ours.local_addr()).await.unwrap();
    peer.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    within(peer.read_exact(&mut pong)).await.unwrap();
    assert_eq!(&pong, b"\r\n");

    let options = format!(
        "OPTIONS sip:{0} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1\r\n\
         From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        ours.local_addr()
    );
    let (begin, end) = options.split_at(100);
    peer.write_all(begin.as_bytes()).await.unwrap();
    peer.flush().await.unwrap();
    peer.write_all(end.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    within(peer.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"SIP/2.0 200 ");

    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    within(peer.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.ends_with(b"\r\n\r\n") || rest.is_empty());
}

#[tokio::test]
async fn a_phone_registers_over_tcp_until_its_connection_ends() {
    let (socket, listener) = sockets();
    let address = socket.local_addr().unwrap();
    let clock = Clock::real();
    let digest = DigestServer::new("example.net", [1; 32], clock.now());
    let registrar = Registrar::new(RegistrarConfig::default(), digest);
    let mut reception = Reception::of_networks(Vec::new()).with_registrar(registrar);
    let password = Password::new("secret");
    reception.set_account("1001", Some(Ha1::new("1001", "example.net", &password)));
    let streams = Streams { tcp: vec![listener], ..Streams::default() };
    let endpoint = endpoint(address).with_reception(reception);
    let (registrar, _registrar_inlets) = udp::spawn_with(socket, streams, endpoint, clock).unwrap();
    let (phone, _inlets) = start_tcp();
    let registration = phone
        .register(RegistrationConfig {
            registrar_uri: format!("sip:{address}"),
            address_of_record: "sip:1001@example.net".to_owned(),
            contact_user: "1001".to_owned(),
            destination: address,
            transport: TransportKind::Tcp,
            credentials: Some(Credentials { username: "1001".into(), password, realm: None }),
            expires: Duration::from_secs(600),
        })
        .await
        .unwrap();
    let mut state = registration.state();
    let registered =
        |state: &RegistrationState| matches!(state, RegistrationState::Registered { .. });
    within(state.wait_for(registered)).await.unwrap();
    let bindings = || registrar.with_reception(|now, phones| phones.bindings(now, "1001", ""));
    let found = bindings().await.unwrap();
    assert_eq!(found[0].source.transport, TransportKind::Tcp);
    assert!(found[0].contact.ends_with(";transport=tcp"));
    // The phone loses its power: nothing is unregistered, the connection ends.
    drop(registration);
    phone.shutdown(Duration::ZERO).await;
    within(async {
        while !bindings().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// An authority and what it vouches for, as files.
struct Authority {
    directory: tempfile::TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A certificate for a host.
    fn identity(&self, host: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (certificates, key_file) = (
            self.directory.path().join(format!("{host}.pem")),
            self.directory.path().join(format!("{host}.key")),
        );
        std::fs::write(&certificates, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        Identity { certificates, key: key_file }
    }
}

/// An endpoint for TLS; `clients` are the authorities of whom its peers must have a certificate.
fn start_tls(
    authority: &Path,
    identity: &Identity,
    clients: Option<&Path>,
    shows: Option<&Identity>,
) -> (Handle, Inlets) {
    let (socket, listener) = sockets();
    let address = socket.local_addr().unwrap();
    let streams = Streams {
        tcp: Vec::new(),
        tls: vec![(listener, tls::server(identity, clients).unwrap())],
        tls_client: Some(tls::client(Some(authority), RootCertStore::empty(), shows).unwrap()),
    };
    udp::spawn_with(socket, streams, endpoint(address), Clock::real()).unwrap()
}

#[tokio::test]
async fn a_call_goes_over_tls_to_who_has_the_right_certificate_and_to_nobody_else() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let identity = right.identity("pbx.example.net");
    let (ours, _inlets) = start_tls(&right.file(), &identity, None, None);
    let (theirs, mut inlets) = start_tls(&right.file(), &identity, None, None);
    let peer = theirs.local_addr();
    ours.name_peer(peer, "pbx.example.net".to_owned()).await.unwrap();
    talk(&ours, &theirs, &mut inlets, TransportKind::Tls).await;

    let (ours, _inlets) = start_tls(&right.file(), &identity, None, None);
    ours.name_peer(peer, "other.example.net".to_owned()).await.unwrap();
    let mut call = ours.invite(call_to(peer, TransportKind::Tls)).await.unwrap();
    let Some(CallEvent::Ended(ended)) = within(call.events.recv()).await else { panic!("no end") };
    assert_eq!(ended.by, EndedBy::Timeout, "another name");

    let (ours, _inlets) = start_tls(&wrong.file(), &identity, None, None);
    ours.name_peer(peer, "pbx.example.net".to_owned()).await.unwrap();
    let mut call = ours.invite(call_to(peer, TransportKind::Tls)).await.unwrap();
    let Some(CallEvent::Ended(ended)) = within(call.events.recv()).await else { panic!("no end") };
    assert_eq!(ended.by, EndedBy::Timeout, "another authority");
}

#[tokio::test]
async fn a_client_without_the_certificate_that_is_asked_for_does_not_get_in() {
    let authority = Authority::new();
    let (server, client) = (authority.identity("127.0.0.1"), authority.identity("phone"));
    let ca = authority.file();
    let (theirs, mut inlets) = start_tls(&ca, &server, Some(&ca), None);
    let (with, _inlets) = start_tls(&ca, &server, None, Some(&client));
    talk(&with, &theirs, &mut inlets, TransportKind::Tls).await;
    let (without, _inlets) = start_tls(&ca, &server, None, None);
    let mut call = without.invite(call_to(theirs.local_addr(), TransportKind::Tls)).await.unwrap();
    let Some(CallEvent::Ended(ended)) = within(call.events.recv()).await else { panic!("no end") };
    assert_eq!(ended.by, EndedBy::Timeout);
}

#[test]
fn a_failed_check_is_named() {
    let told = |error: rustls::Error| tls::explain(&std::io::Error::other(error));
    let bad = |why| told(rustls::Error::InvalidCertificate(why));
    use rustls::CertificateError as Why;
    assert!(bad(Why::Expired).starts_with("the date"));
    assert!(bad(Why::UnknownIssuer).starts_with("the authority"));
    assert!(bad(Why::NotValidForName).starts_with("the name"));
    assert!(told(rustls::Error::NoCertificatesPresented).contains("no certificate"));
}

#[test]
fn a_key_that_is_missing_or_belongs_to_another_certificate_is_named() {
    let authority = Authority::new();
    let (a, b) = (authority.identity("a"), authority.identity("b"));
    let mixed = Identity { key: b.key, ..a.clone() };
    let error = tls::server(&mixed, None).unwrap_err().to_string();
    assert!(error.contains("b.key"), "{error}");
    let none = Identity { key: PathBuf::from("missing.key"), ..a };
    let error = tls::server(&none, None).unwrap_err().to_string();
    assert!(error.contains("missing.key") && error.contains("private key"), "{error}");
}
