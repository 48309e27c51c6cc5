//! Calls to the simulated carrier over real sockets, made with our own SIP and media as well as by
//! programs that others wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use phoneai::simulator::{self, Business, Menus, Simulator, SimulatorConfig};
use phoneai_clock::Clock;
use phoneai_media::{
    SAMPLE_RATE,
    codec::Codec,
    dtmf::DtmfDigit,
    rtp::PayloadType,
    socket::{MediaEvent, MediaThreads, Negotiated, PortRange, Stream, StreamConfig},
};
use phoneai_sip::{
    auth::{Credentials, Password},
    endpoint::{CallEvent, Ended, Endpoint, EndpointConfig},
    registration::{RegistrationConfig, RegistrationState},
    sdp,
    session::OutgoingCall,
    transport::udp,
};
use tokio::io::AsyncWriteExt as _;

/// Seconds of the calls' clock in one real second. A machine that stands still for longer than a
/// second of that clock loses sound, so it must not be much.
const PACE: u32 = 2;
/// Real time after which a test that hangs fails.
const LIMIT: Duration = Duration::from_secs(120);

const USER: &str = "55500199";

fn credentials(password: &str) -> Credentials {
    Credentials { username: USER.to_owned(), password: Password::new(password), realm: None }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn carrier(clock: Clock, require_auth: bool) -> Simulator {
    let config = SimulatorConfig {
        listen: loopback(),
        users: vec![credentials("right")],
        require_auth,
        menus: Menus::samples().unwrap(),
        rtp_ports: PortRange::Any,
        faults: None,
        witness: None,
    };
    simulator::start(config, clock).await.unwrap()
}

fn business(number: &str) -> Arc<Business> {
    Menus::samples().unwrap().businesses().find(|b| b.number == number).unwrap().clone()
}

/// A telephone on loopback.
struct Phone {
    sip: udp::Handle,
    _inlets: udp::Inlets,
    media: MediaThreads,
    carrier: SocketAddr,
    codecs: Vec<sdp::Codec>,
}

/// A call under way.
struct OnCall {
    call: udp::Call,
    stream: Stream,
    local: sdp::LocalAudio,
}

impl Phone {
    fn new(clock: Clock, carrier: &Simulator) -> Self {
        let socket = udp::bind(loopback()).unwrap();
        let config = EndpointConfig::new(socket.local_addr().unwrap());
        let (sip, inlets) = udp::spawn(socket, Endpoint::new(config, [7; 32]), clock).unwrap();
        let media = MediaThreads::start(1, clock).unwrap();
        let carrier = carrier.sip_addr();
        Self { sip, _inlets: inlets, media, carrier, codecs: sdp::Codec::ALL.to_vec() }
    }

    async fn dial(&self, user: &str, password: Option<&str>) -> OnCall {
        let stream = self.media.open(&StreamConfig::new(loopback().ip(), PortRange::Any)).unwrap();
        let local = sdp::LocalAudio {
            addr: stream.local_addr.ip(),
            rtp_port: stream.local_addr.port(),
            codecs: self.codecs.clone(),
            telephone_event: Some(101),
            ptime_ms: 20,
            direction: sdp::Direction::SendRecv,
        };
        let offer = sdp::offer(&local, &mut sdp::Origin::new(1));
        let outgoing = OutgoingCall {
            target_uri: format!("sip:{user}@{}", self.carrier),
            from_display: None,
            from_user: "+12025550199".to_owned(),
            from_host: self.carrier.to_string(),
            asserted_identity: None,
            destination: self.carrier,
            transport: Default::default(),
            routes: Vec::new(),
            credentials: password.map(credentials),
            offer: offer.into_bytes().into(),
            headers: Vec::new(),
        };
        OnCall { call: self.sip.invite(outgoing).await.unwrap(), stream, local }
    }
}

impl OnCall {
    fn configure(&self, answer: &[u8]) -> Codec {
        let read = sdp::read_answer(&self.local, answer).unwrap();
        let codec = match read.codec {
            sdp::Codec::Pcmu => Codec::Pcmu,
            sdp::Codec::Pcma => Codec::Pcma,
        };
        let mut media = Negotiated::new(read.remote_rtp.unwrap(), codec);
        media.telephone_event = read.telephone_event.and_then(PayloadType::try_new);
        self.stream.control.configure(media).unwrap();
        codec
    }

    /// Waits for the answer; gives the status codes before it.
    async fn answered(&mut self) -> Vec<u16> {
        let mut progress = Vec::new();
        loop {
            match self.call.events.recv().await.unwrap() {
                CallEvent::Progress { status, sdp, .. } => {
                    progress.push(status);
                    if let Some(sdp) = sdp {
                        self.configure(&sdp);
                    }
                }
                CallEvent::Answered { sdp, .. } => {
                    self.configure(&sdp.unwrap());
                    return progress;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn ended(&mut self) -> Ended {
        loop {
            if let CallEvent::Ended(ended) = self.call.events.recv().await.unwrap() {
                return *ended;
            }
        }
    }

    /// What is heard from now on, for so many milliseconds of it.
    async fn hear(&mut self, ms: usize) -> Vec<i16> {
        let mut heard = Vec::new();
        while heard.len() < ms * SAMPLE_RATE as usize / 1_000 {
            if let MediaEvent::Frame(frame) = self.stream.events.recv().await.unwrap() {
                heard.extend_from_slice(&frame.received);
            }
        }
        heard
    }

    fn press(&self, keys: &str) {
        let keys = DtmfDigit::parse_all(keys).unwrap();
        self.stream.control.press(&keys, 100, 100).unwrap();
    }

    /// Listens until one of these prompts is heard, and says which. Long enough for a menu to be
    /// said again: a busy machine may have lost a part of it.
    async fn recognise<'p>(&mut self, prompts: &[(&'p str, &[i16])]) -> &'p str {
        let prompts: Vec<_> = prompts.iter().map(|(id, said)| (*id, beginning(said))).collect();
        let mut heard = levels(&self.hear(BEGINNING_MS).await);
        for _ in 0..250 {
            let likely = prompts.iter().map(|(id, begin)| (likeness(&heard, begin), *id));
            let best = likely.max_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap();
            if best.0 > 0.9 {
                return best.1;
            }
            heard.extend(levels(&self.hear(200).await));
            // Whatever began earlier has been looked at.
            heard.drain(..heard.len() - BEGINNING_MS / 20 - 10);
        }
        panic!("none of the prompts was heard");
    }
}

/// Loudness of each 20 ms.
fn levels(samples: &[i16]) -> Vec<f64> {
    let power = |frame: &[i16]| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    samples.chunks_exact(160).map(|frame| (power(frame) / 160.0 + 1.0).ln()).collect()
}

/// By what a prompt is recognised.
const BEGINNING_MS: usize = 2_000;

fn beginning(prompt: &[i16]) -> Vec<f64> {
    levels(&prompt[..BEGINNING_MS * SAMPLE_RATE as usize / 1_000])
}

/// The best correlation of a prompt's beginning with any stretch of what was heard.
fn likeness(heard: &[f64], begin: &[f64]) -> f64 {
    heard.windows(begin.len()).map(|window| correlation(window, begin)).fold(0.0, f64::max)
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let products = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum::<f64>();
    let power = |x: &[f64], m: f64| x.iter().map(|v| (v - m).powi(2)).sum::<f64>();
    products / (power(a, ma) * power(b, mb)).sqrt().max(1e-9)
}

fn prompts(business: &Business) -> Vec<(&str, &[i16])> {
    business.menus().iter().map(|m| (m.prompt.id.as_str(), &*m.prompt.samples)).collect()
}

async fn limited<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, test).await.expect("the test hangs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_hears_the_menu_presses_a_key_and_hears_the_next() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, true).await;
        let phone = Phone::new(clock, &carrier);
        let business = business("+12025550101");
        let prompts = prompts(&business);
        let mut call = phone.dial("+12025550101", Some("right")).await;
        assert_eq!(call.answered().await, [180]);
        assert_eq!(call.recognise(&prompts).await, "main");
        call.press("2");
        assert_eq!(call.recognise(&prompts).await, "outage");
        call.press("1");
        assert_eq!(call.recognise(&prompts).await, "news");
        // It says goodbye and hangs up.
        assert_eq!(call.ended().await.status, None);
        let stats = carrier.stats();
        assert_eq!((stats.calls, stats.answered, stats.challenged), (1, 1, 1));
        assert_eq!(stats.keys, 2);
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_media_is_heard_before_the_answer() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, false).await;
        let phone = Phone::new(clock, &carrier);
        let business = business("+12025550105");
        let early = business.early.as_ref().unwrap();
        // Known by address, with a tech prefix.
        let mut call = phone.dial("12345678*12025550105", None).await;
        let mut progress = Vec::new();
        while progress.last() != Some(&183) {
            let event = call.call.events.recv().await.unwrap();
            let CallEvent::Progress { status, sdp, .. } = event else { panic!("{event:?}") };
            progress.push(status);
            if let Some(sdp) = sdp {
                call.configure(&sdp);
            }
        }
        assert_eq!(progress, [180, 183]);
        assert_eq!(call.recognise(&[("early", &early.samples)]).await, "early");
        assert_eq!(call.answered().await, [0; 0]);
        assert_eq!(call.recognise(&prompts(&business)).await, "main");
        drop(call);
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_numbers_refuse_stay_silent_and_hang_up() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, false).await;
        let phone = Phone::new(clock, &carrier);
        for (number, status) in [
            ("12025550190", 486),
            ("12025550191", 503),
            ("12025550194", 404),
            ("12025550177", 404),
            ("nobody", 404),
        ] {
            let mut call = phone.dial(number, None).await;
            assert_eq!(call.ended().await.status, Some(status), "{number}");
        }
        let mut silent = phone.dial("12025550193", None).await;
        silent.answered().await;
        let heard = silent.hear(2_000).await;
        assert!(heard.iter().all(|s| s.unsigned_abs() < 16), "silence is silent");

        let mut brief = phone.dial("12025550195", None).await;
        brief.answered().await;
        assert_eq!(brief.ended().await.status, None);

        let mut unanswered = phone.dial("12025550192", None).await;
        let event = unanswered.call.events.recv().await.unwrap();
        assert!(matches!(event, CallEvent::Progress { status: 180, .. }), "{event:?}");
        unanswered.call.hangup(Vec::new()).await.unwrap();
        unanswered.ended().await;
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_without_the_right_password_is_not_connected() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, true).await;
        let phone = Phone::new(clock, &carrier);
        for password in [None, Some("wrong")] {
            let mut call = phone.dial("12025550101", password).await;
            assert_eq!(call.ended().await.status, Some(407), "{password:?}");
        }
        assert_eq!(carrier.stats().calls, 0);
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_speaks_only_a_law_is_understood() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, false).await;
        let mut phone = Phone::new(clock, &carrier);
        phone.codecs = vec![sdp::Codec::Pcma];
        let business = business("+12025550104");
        let mut call = phone.dial("12025550104", None).await;
        call.answered().await;
        assert_eq!(call.recognise(&prompts(&business)).await, "main");
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ringback_goes_on_without_end() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, false).await;
        let phone = Phone::new(clock, &carrier);
        let business = business("+12025550101");
        let mut call = phone.dial("12025550101", None).await;
        call.answered().await;
        call.press("0");
        assert_eq!(call.recognise(&prompts(&business)).await, "operator");
        let heard = call.hear(20_000).await;
        // Three rings of 2 s at least, in 20 s; each period begins with one.
        let loud: Vec<bool> = levels(&heard).iter().map(|level| *level > 12.0).collect();
        let rings = loud.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!(rings >= 3, "{rings} rings");
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_do_not_disturb_each_other() {
    limited(async {
        // In real time: here it is the work that counts.
        let clock = Clock::real();
        let carrier = carrier(clock, false).await;
        let phone = Phone::new(clock, &carrier);
        let numbers = ["12025550101", "12025550102", "12025550103", "12025550104"];
        let mut calls = tokio::task::JoinSet::new();
        for number in numbers.into_iter().cycle().take(12) {
            let mut call = phone.dial(number, None).await;
            calls.spawn(async move {
                call.answered().await;
                let business = business(&format!("+{number}"));
                let first = &business.menu(business.first).unwrap().prompt;
                assert_eq!(call.recognise(&[(&first.id, &first.samples)]).await, first.id);
            });
        }
        while let Some(result) = calls.join_next().await {
            result.unwrap();
        }
        assert_eq!(carrier.stats().answered, 12);
        carrier.shutdown().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_registers_with_the_right_password_only() {
    limited(async {
        let clock = Clock::fast(PACE);
        let carrier = carrier(clock, true).await;
        let phone = Phone::new(clock, &carrier);
        for (password, expected) in [("right", true), ("wrong", false)] {
            let config = RegistrationConfig {
                registrar_uri: format!("sip:{}", carrier.sip_addr()),
                address_of_record: format!("sip:{USER}@{}", carrier.sip_addr()),
                contact_user: USER.to_owned(),
                destination: carrier.sip_addr(),
                transport: Default::default(),
                credentials: Some(credentials(password)),
                expires: Duration::from_secs(600),
            };
            let registration = phone.sip.register(config).await.unwrap();
            let mut state = registration.state();
            let settled = state.wait_for(|state| !matches!(state, RegistrationState::Trying));
            let settled = settled.await.unwrap().clone();
            let registered = matches!(settled, RegistrationState::Registered { .. });
            assert_eq!(registered, expected, "{settled:?}");
        }
        carrier.shutdown().await;
    })
    .await;
}

/// A program that this test needs; without it the test says so and passes, unless
/// `PHONEAI_REQUIRE_PEERS=1` asks for all of them.
fn peer(program: &str, package: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if !found {
        let missing = format!("{program} is not installed (Debian package {package})");
        assert!(std::env::var("PHONEAI_REQUIRE_PEERS").as_deref() != Ok("1"), "{missing}");
        eprintln!("skipped: {missing}");
    }
    found
}

/// Registers, calls, hears the menu and presses a key: all by baresip, in real time. What it has
/// heard is in the file that it writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn baresip_registers_calls_and_hears_two_menus() {
    if !peer("baresip", "baresip-core") {
        return;
    }
    limited(async {
        let clock = Clock::real();
        let carrier = carrier(clock, true).await;
        let home = tempfile::tempdir().unwrap();
        let control = free_tcp_port();
        write_baresip_files(home.path(), carrier.sip_addr(), control);
        let _baresip = tokio::process::Command::new("baresip")
            .arg("-f")
            .arg(home.path())
            .args(["-t", "60"])
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until(clock, || carrier.stats().registered > 0).await;
        let mut baresip = connect(clock, control).await;
        command(&mut baresip, "dial", &format!("sip:+12025550101@{}", carrier.sip_addr())).await;
        until(clock, || carrier.stats().answered > 0).await;
        let business = business("+12025550101");
        until(clock, || recorded(home.path(), &business, "main")).await;
        command(&mut baresip, "sndcode", "3").await;
        until(clock, || carrier.stats().keys > 0).await;
        until(clock, || recorded(home.path(), &business, "service")).await;
        command(&mut baresip, "hangup", "").await;
        until(clock, || carrier.stats().ended > 0).await;
        carrier.shutdown().await;
    })
    .await;
}

async fn until(clock: Clock, done: impl Fn() -> bool) {
    while !done() {
        clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Baresip cannot be told to take a free port, so one is looked for.
fn free_tcp_port() -> u16 {
    std::net::TcpListener::bind(loopback()).unwrap().local_addr().unwrap().port()
}

fn write_baresip_files(home: &Path, carrier: SocketAddr, control: u16) {
    let silence = home.join("silence.wav");
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format,
    };
    let mut wav = hound::WavWriter::create(&silence, spec).unwrap();
    (0..SAMPLE_RATE * 60).for_each(|_| wav.write_sample(0_i16).unwrap());
    wav.finalize().unwrap();
    let modules = ["account", "menu", "g711", "aufile", "aubridge", "sndfile", "ctrl_tcp"];
    let modules: String = modules.iter().map(|name| format!("module {name}.so\n")).collect();
    let config = format!(
        "sip_listen 127.0.0.1:0\nmodule_path /usr/lib/baresip/modules\n{modules}\
         ctrl_tcp_listen 127.0.0.1:{control}\nsnd_path {}\n\
         audio_source aufile,{}\naudio_player aubridge,nil\naudio_alert aubridge,nil\n\
         audio_channels 1-1\naudio_srate 8000-8000\n",
        home.display(),
        silence.display(),
    );
    std::fs::write(home.join("config"), config).unwrap();
    let account = format!("<sip:{USER}@{carrier}>;auth_user={USER};auth_pass=right;regint=60\n");
    std::fs::write(home.join("accounts"), account).unwrap();
}

async fn connect(clock: Clock, port: u16) -> tokio::net::TcpStream {
    loop {
        if let Ok(stream) = tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
            return stream;
        }
        clock.sleep(Duration::from_millis(100)).await;
    }
}

/// Sends a command as baresip's ctrl_tcp module wants it: JSON in a netstring.
async fn command(baresip: &mut tokio::net::TcpStream, name: &str, params: &str) {
    let json = serde_json::json!({ "command": name, "params": params }).to_string();
    let netstring = format!("{}:{json},", json.len());
    baresip.write_all(netstring.as_bytes()).await.unwrap();
}

/// True if the file into which baresip decodes what it hears has the beginning of this prompt.
fn recorded(home: &Path, business: &Business, menu: &str) -> bool {
    let menu = business.menu(business.menu_no(menu).unwrap()).unwrap();
    let files = std::fs::read_dir(home).unwrap().flatten();
    let decoded = |name: &str| name.ends_with("-dec.wav");
    files.filter(|file| file.file_name().to_str().is_some_and(decoded)).any(|file| {
        // Still being written: the header does not know the length yet.
        let bytes = std::fs::read(file.path()).unwrap();
        let data = bytes.get(44..).unwrap_or_default();
        let samples = data.chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]]));
        let heard = levels(&samples.collect::<Vec<_>>());
        likeness(&heard, &beginning(&menu.prompt.samples)) > 0.9
    })
}
