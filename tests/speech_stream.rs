//! Recognisers over a WebSocket, over real sockets: what a call hears through the simulated Watson,
//! Deepgram and a recogniser of one's own is what the engine behind them hears, whatever they do.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use phoneai::{
    config::Secret,
    http::{AddressPolicy, Client, Limits},
    simulator::{
        Business, Menus,
        hearing::{self, Protocol, Recogniser, Setup, Trouble},
        menu::Behaviour,
    },
    speech::{
        CallMs, Engine, SpeechEvent, Word,
        stream::{
            Credentials, Service, StreamEngine,
            deepgram::{Deepgram, DeepgramSettings},
            dialect::Dialect,
            generic::Generic,
            iam::Tokens,
            session,
            watson::{Watson, WatsonSettings},
        },
    },
};
use phoneai_clock::Clock;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use support::{Rehearsal, Stage, ear};
use tokio::{runtime::Handle, sync::mpsc};
use url::Url;

const KEY: &str = "key-of-the-tests";
/// So much faster than life these calls are.
const PACE: u32 = 4;

type Plan = Arc<dyn Fn(usize) -> Option<Trouble> + Send + Sync>;

fn peaceful() -> Plan {
    Arc::new(|_| None)
}

/// The n-th connection has the n-th trouble; later ones have none.
fn plan(troubles: Vec<Trouble>) -> Plan {
    Arc::new(move |n| troubles.get(n).cloned())
}

/// A recogniser that hears by `engine`, and a client of it.
struct Pair {
    far: Recogniser,
    near: Arc<StreamEngine>,
}

async fn pair(protocol: Protocol, engine: Arc<dyn Engine>, trouble: Plan, clock: Clock) -> Pair {
    with(protocol, engine, trouble, clock, 3_600, None).await
}

async fn with(
    protocol: Protocol,
    engine: Arc<dyn Engine>,
    trouble: Plan,
    clock: Clock,
    token_seconds: u64,
    fallback: Option<Arc<dyn Engine>>,
) -> Pair {
    let setup = Setup { protocol, api_key: KEY.to_owned(), token_seconds, engine, trouble };
    let far = hearing::start(setup, clock).await.unwrap();
    let near = Arc::new(StreamEngine::new(
        service(protocol, &far, clock, fallback, KEY),
        Handle::current(),
    ));
    Pair { far, near }
}

fn service(
    protocol: Protocol,
    far: &Recogniser,
    clock: Clock,
    fallback: Option<Arc<dyn Engine>>,
    key: &str,
) -> Service {
    let long = Duration::from_secs(30);
    let client = || {
        Client::new(AddressPolicy::Any, Limits { connect: long, answer: long, body: 1 << 20 })
            .unwrap()
    };
    let url = |rest: &str| Url::parse(&format!("http://{}{rest}", far.addr())).unwrap();
    let key = Secret::new(key.to_owned());
    let (dialect, address, credentials): (Arc<dyn Dialect>, _, _) = match protocol {
        Protocol::Watson => {
            let settings = WatsonSettings {
                url: url("/instances/6bba"),
                // A name that was withdrawn: its successor is asked for.
                model: "en-US_NarrowbandModel".to_owned(),
                customization_id: None,
                learning_opt_out: true,
                customer_id: None,
                parameters: serde_json::Map::new(),
            };
            let iam = Url::parse(&format!("http://{}/identity/token", far.iam_addr())).unwrap();
            let tokens = Tokens::new(iam, key, client(), clock);
            (
                Arc::new(Watson::new(&settings)),
                settings.address(),
                Credentials::Iam(Box::new(tokens)),
            )
        }
        Protocol::Deepgram => {
            let settings = DeepgramSettings {
                url: url("/v1/listen"),
                model: "nova-3".to_owned(),
                language: "en-US".to_owned(),
            };
            (Arc::new(Deepgram), settings.address(), Credentials::Key { scheme: "Token", key })
        }
        Protocol::Generic => {
            (Arc::new(Generic), url("/"), Credentials::Key { scheme: "Bearer", key })
        }
    };
    Service {
        dialect,
        address,
        credentials,
        client: client(),
        clock,
        // A loaded machine answers late, and time runs faster here.
        limits: session::Limits {
            answer: Duration::from_secs(60),
            attempts: 8,
            ..session::Limits::default()
        },
        fallback,
        max_calls: 10,
    }
}

fn business(number: &str) -> Arc<Business> {
    match Menus::samples().unwrap().line(number) {
        Some(Behaviour::Business(business)) => business.clone(),
        _ => panic!("{number} is no business"),
    }
}

/// The recordings of a business one after the other, with pauses.
fn sound_of(business: &Business) -> Vec<i16> {
    let mut sound = vec![0; 8_000];
    for menu in business.menus() {
        sound.extend(menu.prompt.samples.iter());
        // Each begins with a frame, as when a line plays it: the ear knows them by their frames.
        sound.resize((sound.len() + 12_000).next_multiple_of(160), 0);
    }
    sound
}

/// What a call with this sound is told, frame by frame at the clock's pace.
async fn listen(engine: &dyn Engine, sound: &[i16], clock: Clock) -> Vec<SpeechEvent> {
    let mut listening = engine.open("call").expect("a place");
    let began = clock.now();
    let mut told = Vec::new();
    for (frame, at) in sound.chunks(160).zip((0_u32..).step_by(20)) {
        clock.sleep_until(began + Duration::from_millis(at.into())).await;
        listening.ear.push(at, frame);
        while let Ok(event) = listening.events.try_recv() {
            told.push(event);
        }
    }
    listening.ear.finish();
    drain(&mut listening.events, &mut told).await;
    told
}

async fn drain(events: &mut mpsc::Receiver<SpeechEvent>, told: &mut Vec<SpeechEvent>) {
    while let Some(event) = events.recv().await {
        told.push(event);
    }
}

fn words(told: &[SpeechEvent]) -> Vec<Word> {
    let finals = told.iter().filter_map(|event| match event {
        SpeechEvent::Final(transcript) => Some(transcript.words.clone()),
        _ => None,
    });
    finals.flatten().collect()
}

fn texts(words: &[Word]) -> Vec<&str> {
    words.iter().map(|word| word.text.as_str()).collect()
}

/// The same words at the same places, to some milliseconds.
fn assert_same(heard: &[SpeechEvent], expected: &[SpeechEvent], within: CallMs) {
    let (heard, expected) = (words(heard), words(expected));
    assert_eq!(texts(&heard), texts(&expected));
    for (one, other) in heard.iter().zip(&expected) {
        assert!(one.start_ms.abs_diff(other.start_ms) <= within, "{one:?} {other:?}");
    }
}

fn is_whole(told: &[SpeechEvent]) -> bool {
    !told.iter().any(|e| matches!(e, SpeechEvent::Dropped { .. } | SpeechEvent::Failed { .. }))
}

#[tokio::test(flavor = "multi_thread")]
async fn through_each_protocol_the_same_words_are_heard_at_the_same_places() {
    let business = business("+12025550105");
    let (clock, sound) = (Clock::fast(PACE), sound_of(&business));
    let direct = listen(&*ear::engine(&business), &sound, clock).await;
    for protocol in [Protocol::Watson, Protocol::Deepgram, Protocol::Generic] {
        let Pair { far, near } = pair(protocol, ear::engine(&business), peaceful(), clock).await;
        let told = listen(&*near, &sound, clock).await;
        assert!(is_whole(&told), "{protocol:?}");
        assert_same(&told, &direct, 40);
        let length = (sound.len() / 8) as CallMs;
        assert!(
            matches!(told.last(), Some(SpeechEvent::HeardUntil(at)) if *at + 100 >= length),
            "{protocol:?}: {:?}",
            told.last()
        );
        let totals = near.totals();
        assert_eq!((totals.calls, totals.counts.connections, far.connections()), (1, 1, 1));
        println!("{protocol:?}: {}", totals.counts);
        far.shutdown();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn misbehaviour_of_every_kind_costs_no_word_and_doubles_none() {
    let business = business("+12025550105");
    let (clock, sound) = (Clock::fast(PACE), sound_of(&business));
    let direct = listen(&*ear::engine(&business), &sound, clock).await;
    let second = 8_000;
    for (what, troubles) in [
        ("refused", vec![Trouble::Refuse(503), Trouble::Refuse(429), Trouble::Refuse(500)]),
        // In the first and the second sentence: after a recording's end the tests' ear, which tells
        // recordings by their loudness, takes what is left of it for another.
        ("cut", vec![Trouble::Cut(12_000), Trouble::Cut(1_000), Trouble::Cut(2 * second)]),
        ("errors", vec![Trouble::Error(5 * second, "Session timed out.".to_owned())]),
        ("huge", vec![Trouble::Huge(4 * second)]),
        ("malformed", vec![Trouble::Malformed(4 * second)]),
        ("binary", vec![Trouble::Binary(4 * second)]),
        ("repeat", vec![Trouble::Repeat]),
    ] {
        let count = troubles.len();
        let Pair { far, near } =
            pair(Protocol::Watson, ear::engine(&business), plan(troubles), clock).await;
        let told = listen(&*near, &sound, clock).await;
        println!("{what}: {}", near.totals().counts);
        assert!(is_whole(&told), "{what}: {told:?}");
        assert_same(&told, &direct, 40);
        assert!(far.connections() > count || what == "repeat", "{what}: {}", far.connections());
        far.shutdown();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stalls_is_left_and_its_words_are_heard_on_another_connection() {
    let business = business("+12025550105");
    let (clock, sound) = (Clock::fast(PACE), sound_of(&business));
    let direct = listen(&*ear::engine(&business), &sound, clock).await;
    let troubles = plan(vec![Trouble::Stall(20_000)]);
    let Pair { far, near } = pair(Protocol::Watson, ear::engine(&business), troubles, clock).await;
    let told = listen(&*near, &sound, clock).await;
    assert!(is_whole(&told));
    assert_same(&told, &direct, 40);
    far.shutdown();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_got_once_for_many_calls_and_again_when_it_is_refused() {
    let business = business("+12025550105");
    let clock = Clock::fast(PACE);
    let Pair { far, near } =
        pair(Protocol::Watson, ear::engine(&business), peaceful(), clock).await;
    let sound = vec![0; 16_000];
    for _ in 0..3 {
        assert!(is_whole(&listen(&*near, &sound, clock).await));
    }
    assert_eq!(far.tokens().count(), 1);
    far.tokens().revoke_all();
    assert!(is_whole(&listen(&*near, &sound, clock).await), "refused, renewed, heard");
    assert_eq!(far.tokens().count(), 1);
    far.shutdown();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_renewed_before_a_connection_and_never_ends_one() {
    let business = business("+12025550105");
    let clock = Clock::fast(PACE);
    // A token lives for twelve seconds, of which it is used for less than two.
    let Pair { far, near } =
        with(Protocol::Watson, ear::engine(&business), peaceful(), clock, 12, None).await;
    let sound = vec![0; 20 * 8_000];
    assert!(is_whole(&listen(&*near, &sound, clock).await));
    assert_eq!((far.connections(), far.tokens().count()), (1, 1), "an open one lives on");
    assert!(is_whole(&listen(&*near, &sound[..16_000], clock).await));
    assert_eq!((far.connections(), far.tokens().count()), (2, 2));
    far.shutdown();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_wrong_key_the_other_engine_hears_everything() {
    let business = business("+12025550105");
    let (clock, sound) = (Clock::fast(PACE), sound_of(&business));
    let direct = listen(&*ear::engine(&business), &sound, clock).await;
    for protocol in [Protocol::Watson, Protocol::Deepgram, Protocol::Generic] {
        let Pair { far, near: _ } = pair(protocol, ear::engine(&business), peaceful(), clock).await;
        let engine = |fallback| {
            let service = service(protocol, &far, clock, fallback, "wrong");
            StreamEngine::new(service, Handle::current())
        };
        let told = listen(&engine(Some(ear::engine(&business))), &sound, clock).await;
        assert!(is_whole(&told), "{protocol:?}");
        assert_same(&told, &direct, 40);

        let told = listen(&engine(None), &sound, clock).await;
        assert!(words(&told).is_empty());
        let failures: Vec<_> =
            told.iter().filter(|e| matches!(e, SpeechEvent::Failed { .. })).collect();
        assert_eq!(failures.len(), 1, "{protocol:?}: said once, and the call goes on");
        far.shutdown();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_a_call_the_other_engine_takes_over_without_losing_a_word() {
    let business = business("+12025550105");
    let (clock, sound) = (Clock::fast(PACE), sound_of(&business));
    let direct = listen(&*ear::engine(&business), &sound, clock).await;
    let trouble: Plan =
        Arc::new(|n| Some(if n == 0 { Trouble::Cut(40_000) } else { Trouble::Refuse(404) }));
    let fallback = Some(ear::engine(&business));
    let Pair { far, near } =
        with(Protocol::Watson, ear::engine(&business), trouble, clock, 3_600, fallback).await;
    let told = listen(&*near, &sound, clock).await;
    assert!(is_whole(&told));
    assert_same(&told, &direct, 40);
    assert_eq!(near.totals().given_up, 1);
    far.shutdown();
}

/// A crawl of a sample menu through the simulated Watson: how it differs from the truth.
async fn crawl(number: &str, trouble: Plan) -> Vec<String> {
    let menus = Menus::samples().unwrap();
    let business = business(number);
    // Calls at life's pace: the sockets' delays are not hastened with them.
    let clock = Clock::fast(2);
    let Pair { far, near } = pair(Protocol::Watson, ear::engine(&business), trouble, clock).await;
    let data = tempfile::tempdir().unwrap();
    let stage = Stage::new(menus, near.clone());
    let rehearsal = Rehearsal::on(stage, data.path(), clock, |_| {}).await;
    let mut live = rehearsal.service.live().watch();
    rehearsal.service.ready().await;
    rehearsal.crawl(number).await;
    let ended = tokio::time::timeout(Duration::from_secs(400), support::scan_ended(&mut live));
    let (complete, reason) = ended.await.expect("an end of the scan");
    let store = rehearsal.service.store();
    let id = store.number(number).await.unwrap().unwrap().id;
    let scan = store.newest_tree(id).await.unwrap().unwrap();
    let tree = store.load_tree(scan.scan.id).await.unwrap();
    let mut wrong: Vec<String> =
        business.truth().differences(&tree).iter().map(ToString::to_string).collect();
    if !complete {
        wrong.push(format!("not complete: {reason}"));
    }
    rehearsal.end().await;
    println!("{}: {}", far.connections(), near.totals().counts);
    far.shutdown();
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_through_watson_finds_the_exact_tree() {
    assert_eq!(crawl("+12025550105", peaceful()).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crawl_through_watson_finds_the_exact_tree_though_its_socket_is_cut_at_random() {
    let trouble: Plan = Arc::new(|n| {
        let mut dice = StdRng::seed_from_u64(n as u64);
        // Two of three connections are cut in their first two seconds.
        (n % 3 != 2).then(|| Trouble::Cut(dice.random_range(1..16_000)))
    });
    assert_eq!(crawl("+12025550105", trouble).await, Vec::<String>::new());
}

/// Ends with the test.
struct Script(Child);

impl Drop for Script {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_recogniser_in_python_is_understood() {
    let has = Command::new("python3").args(["-c", "import websockets.sync.server"]).output();
    if !has.is_ok_and(|output| output.status.success()) {
        assert!(
            std::env::var_os("PHONEAI_REQUIRE_PEERS").is_none(),
            "python3 has no module websockets"
        );
        println!("skipped: python3 has no module websockets");
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/websocket_recogniser.py");
    let mut command = Command::new("python3");
    command.args([script, "0"]).stdout(Stdio::piped());
    let mut script = Script(command.spawn().unwrap());
    let mut line = String::new();
    let output = script.0.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
    let address = Url::parse(line.trim()).unwrap();

    let clock = Clock::fast(PACE);
    let long = Duration::from_secs(30);
    let limits = Limits { connect: long, answer: long, body: 1 << 20 };
    let service = Service {
        dialect: Arc::new(Generic),
        address,
        credentials: Credentials::None,
        client: Client::new(AddressPolicy::Any, limits).unwrap(),
        clock,
        limits: session::Limits::default(),
        fallback: None,
        max_calls: 1,
    };
    let engine = StreamEngine::new(service, Handle::current());
    // Two sounds of a second with a pause: it calls each of them a word.
    let mut sound = vec![0_i16; 8_000];
    for _ in 0..2 {
        sound.extend((0..8_000).map(|n| if n % 16 < 8 { 6_000 } else { -6_000 }));
        sound.extend(vec![0; 16_000]);
    }
    let told = listen(&engine, &sound, clock).await;
    assert!(is_whole(&told), "{told:?}");
    let places: Vec<_> =
        words(&told).iter().map(|word| (word.text.clone(), word.start_ms)).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    assert!(places.iter().all(|(text, _)| text == "sound"));
    assert!(places[0].1.abs_diff(1_000) <= 40 && places[1].1.abs_diff(4_000) <= 40, "{places:?}");
}
