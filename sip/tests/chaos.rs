//! Random messages at random times: nothing panics, tables stay bounded, and all is forgotten in
//! the end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::time::Duration;

use phoneai_sip::endpoint::{EndpointConfig, Event};
use proptest::prelude::*;
use support::{ANSWER, Net, OFFER, Raw, Weather, address, outgoing, reply};

/// Limits of the endpoint under test: low, so that they are met.
const MAX_CALLS: usize = 4;
const MAX_TRANSACTIONS: usize = 24;

/// One thing that happens to the endpoint.
#[derive(Clone, Debug)]
enum Step {
    Request {
        method: usize,
        call: u8,
        cseq: u32,
        branch: u8,
        tagged: bool,
        sdp: bool,
    },
    Response {
        status: u16,
        of: usize,
        tag: u8,
        sdp: bool,
    },
    /// A message that we sent or were sent, with bytes changed.
    Mutated {
        of: usize,
        at: usize,
        byte: u8,
    },
    Noise(Vec<u8>),
    Wait(u64),
    Command {
        what: u8,
        call: usize,
    },
}

const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "INFO",
    "UPDATE",
    "REGISTER",
    "PRACK",
    "REFER",
    "NOTIFY",
    "SUBSCRIBE",
    "MESSAGE",
    "DANCE",
];

const STATUS: [u16; 16] =
    [100, 180, 183, 200, 202, 302, 401, 407, 408, 481, 486, 487, 491, 500, 503, 699];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..METHODS.len(), 0..6u8, 1..6u32, 0..8u8, any::<bool>(), any::<bool>()).prop_map(
            |(method, call, cseq, branch, tagged, sdp)| {
                Step::Request { method, call, cseq, branch, tagged, sdp }
            }
        ),
        4 => (0..STATUS.len(), 0..40usize, 0..3u8, any::<bool>()).prop_map(
            |(status, of, tag, sdp)| Step::Response { status: STATUS[status], of, tag, sdp }
        ),
        1 => (0..60usize, 0..900usize, any::<u8>())
            .prop_map(|(of, at, byte)| Step::Mutated { of, at, byte }),
        1 => proptest::collection::vec(any::<u8>(), 0..64).prop_map(Step::Noise),
        2 => (0..40_000u64).prop_map(Step::Wait),
        4 => (0..9u8, 0..6usize).prop_map(|(what, call)| Step::Command { what, call }),
    ]
}

struct Chaos {
    net: Net,
    calls: Vec<phoneai_sip::session::CallId>,
    /// Requests of ours that arrived at the peer, to be answered by chance.
    requests: Vec<support::Sent>,
}

impl Chaos {
    fn new() -> Self {
        let mut net = Net::new(7, Weather::FINE);
        let mut config = EndpointConfig::new(address(1));
        config.max_calls = MAX_CALLS;
        config.max_transactions = MAX_TRANSACTIONS;
        net.add_with(1, config);
        Self { net, calls: Vec::new(), requests: Vec::new() }
    }

    fn take(&mut self, step: Step) {
        let now = self.net.now;
        match step {
            Step::Request { method, call, cseq, branch, tagged, sdp } => {
                let mut raw = Raw::new(METHODS[method], 9);
                raw.call_id = format!("chaos-{call}");
                raw.cseq = cseq;
                raw.branch = format!("z9hG4bKchaos{branch}");
                if tagged {
                    // The tag of whatever we answered last.
                    let answers = self.net.log.iter().rev();
                    let to = answers
                        .filter(|sent| sent.line().starts_with("SIP/2.0"))
                        .map(|sent| support::header(sent, "To"))
                        .find(|to| to.contains("tag="));
                    raw.to = to.unwrap_or(raw.to);
                }
                if sdp {
                    raw.body = OFFER.to_vec();
                }
                self.net.send_raw(&raw, 1);
            }
            Step::Response { status, of, tag, sdp } => {
                let Some(request) = pick(&self.requests, of) else { return };
                let line = format!("{status} Chaos");
                let headers = "Contact: <sip:x@192.0.2.9>\r\nWWW-Authenticate: Digest \
                    realm=\"r\", nonce=\"n\"\r\n";
                let body = if sdp { ANSWER } else { b"" };
                let bytes = reply(request, &line, &format!("t{tag}"), headers, body);
                self.net.send(address(9), address(1), bytes);
            }
            Step::Mutated { of, at, byte } => {
                let Some(sent) = pick(&self.net.log, of) else { return };
                let mut bytes = sent.bytes.to_vec();
                let len = bytes.len().max(1);
                if let Some(place) = bytes.get_mut(at % len) {
                    *place = byte;
                }
                self.net.send(address(9), address(1), bytes);
            }
            Step::Noise(bytes) => self.net.send(address(9), address(1), bytes),
            Step::Wait(ms) => self.net.run_ms(ms),
            Step::Command { what, call } => {
                if what == 0 {
                    let id = self.net.at(1).invite(now, outgoing(9));
                    self.calls.extend(id);
                    return;
                }
                let Some(id) = pick(&self.calls, call).copied() else { return };
                let endpoint = self.net.at(1);
                // Refusals for the call's state are part of the game.
                let _ = match what {
                    1 => endpoint.progress(now, id, 180, None),
                    2 => endpoint.accept(now, id, ANSWER.into()),
                    3 => endpoint.reject(now, id, 486, None, Vec::new()),
                    4 => endpoint.offer(now, id, OFFER.into()),
                    5 => endpoint.answer_offer(now, id, Ok(ANSWER.into())),
                    6 => endpoint.answer_offer(now, id, Err(488)),
                    _ => endpoint.hangup(now, id, Vec::new()),
                };
            }
        }
        self.net.run_ms(15);
        self.requests.extend(std::mem::take(&mut self.net.outside));
        for event in self.net.events(1) {
            if let Event::Incoming { call, .. } = event {
                self.calls.push(call);
            }
        }
        let endpoint = self.net.at(1);
        assert!(endpoint.calls_alive() <= MAX_CALLS);
        assert!(endpoint.calls_alive() + endpoint.calls_closing() <= 4 * MAX_CALLS);
        assert!(endpoint.transactions() <= MAX_TRANSACTIONS + MAX_TRANSACTIONS / 4);
    }
}

fn pick<T>(list: &[T], place: usize) -> Option<&T> {
    // Late ones are the interesting ones.
    list.len().checked_sub(1 + place).and_then(|at| list.get(at))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_messages_panics_or_leaves_anything_behind(
        steps in proptest::collection::vec(step(), 1..120)
    ) {
        let mut chaos = Chaos::new();
        for step in steps {
            chaos.take(step);
        }
        let now = chaos.net.now;
        chaos.net.at(1).hangup_all(now);
        chaos.net.run(Duration::from_secs(100));
        chaos.net.assert_clean();
    }
}
