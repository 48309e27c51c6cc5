//! Thousands of calls over a network that loses, doubles and reorders: every call ends, and both
//! sides agree how.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod support;

use std::{collections::HashMap, time::Duration};

use phoneai_sip::{
    endpoint::{CallEvent, Ended, EndedBy, Event, Header},
    session::CallId,
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use support::{ANSWER, Net, OFFER, Weather, header, outgoing};

/// Calls of each storm.
const CALLS: usize = 2000;

/// What one side saw of a call.
#[derive(Debug, Default)]
struct Side {
    answered: bool,
    ended: Option<Ended>,
}

struct Storm {
    net: Net,
    rng: StdRng,
    /// By host and call.
    sides: HashMap<(u8, CallId), Side>,
    /// Callers by the mark that they put into the INVITE, and who got which mark.
    callers: HashMap<String, (u8, CallId)>,
    pairs: Vec<((u8, CallId), (u8, CallId))>,
    begun: usize,
    alive: Vec<(u8, CallId)>,
}

impl Storm {
    fn new(seed: u64, weather: Weather) -> Self {
        let mut net = Net::new(seed, weather);
        net.keep_log = false;
        net.add(1);
        net.add(2);
        Self {
            net,
            rng: StdRng::seed_from_u64(seed),
            sides: HashMap::new(),
            callers: HashMap::new(),
            pairs: Vec::new(),
            begun: 0,
            alive: Vec::new(),
        }
    }

    fn run(&mut self) {
        while self.begun < CALLS {
            for _ in 0..self.rng.random_range(0..4) {
                let (now, from) = (self.net.now, self.rng.random_range(1..=2));
                let mark = self.begun.to_string();
                let mut call = outgoing(3 - from);
                call.headers.push(Header::new("X-Mark", mark.clone()));
                let call = self.net.at(from).invite(now, call).unwrap();
                self.begun += 1;
                self.callers.insert(mark, (from, call));
                self.sides.insert((from, call), Side::default());
                self.alive.push((from, call));
            }
            self.net.run_ms(self.rng.random_range(1..400));
            self.act();
        }
        for _ in 0..400 {
            self.net.run_ms(500);
            self.act();
        }
        for (host, call) in std::mem::take(&mut self.alive) {
            let now = self.net.now;
            let _ = self.net.at(host).hangup(now, call, Vec::new());
        }
        self.net.run(Duration::from_secs(200));
        self.act();
        self.net.run(Duration::from_secs(200));
        self.act();
    }

    /// What users do: at random, but never nothing for ever.
    fn act(&mut self) {
        for host in [1, 2] {
            for event in self.net.events(host) {
                match event {
                    Event::Incoming { call, request } => {
                        let mark = request.header("X-Mark").unwrap();
                        self.pairs.push((self.callers[&mark], (host, call)));
                        self.sides.insert((host, call), Side::default());
                        self.alive.push((host, call));
                    }
                    Event::Call { call, event } => self.on_event(host, call, event),
                    Event::Registration { .. } | Event::Request { .. } => {}
                }
            }
        }
        let now = self.net.now;
        for place in (0..self.alive.len()).rev() {
            let (host, call) = self.alive[place];
            let endpoint = self.net.at(host);
            // Most of these are refused for the call's state, which is part of the test.
            let _ = match self.rng.random_range(0..60) {
                0..6 => endpoint.progress(now, call, 183, Some(ANSWER.into())),
                6..14 => endpoint.accept(now, call, ANSWER.into()),
                14 => endpoint.reject(now, call, 486, None, Vec::new()),
                15..17 => endpoint.hangup(now, call, Vec::new()),
                17..20 => endpoint.offer(now, call, OFFER.into()),
                _ => Ok(()),
            };
        }
        self.net.flush();
    }

    fn on_event(&mut self, host: u8, call: CallId, event: CallEvent) {
        let now = self.net.now;
        let side = self.sides.get_mut(&(host, call)).unwrap();
        assert!(side.ended.is_none(), "after its end came {event:?}");
        match event {
            CallEvent::Answered { .. } => {
                assert!(!side.answered, "answered twice");
                side.answered = true;
            }
            CallEvent::Offer { .. } => {
                // An error means that the call's end is the next event.
                let _ = self.net.at(host).answer_offer(now, call, Ok(ANSWER.into()));
            }
            CallEvent::Ended(ended) => {
                side.ended = Some(*ended);
                self.alive.retain(|alive| *alive != (host, call));
            }
            CallEvent::Progress { .. }
            | CallEvent::MediaAnswer { .. }
            | CallEvent::OfferAnswered { .. }
            | CallEvent::OfferRefused { .. }
            | CallEvent::Info { .. } => {}
        }
    }
}

fn storm(seed: u64, weather: Weather) -> Storm {
    let mut storm = Storm::new(seed, weather);
    storm.run();
    let missing: Vec<_> = storm.sides.iter().filter(|(_, side)| side.ended.is_none()).collect();
    assert!(missing.is_empty(), "seed {seed}: {} calls never ended: {missing:?}", missing.len());
    storm.net.assert_clean();
    for (caller, callee) in &storm.pairs {
        let end = |side| storm.sides[side].ended.clone().unwrap();
        let (caller, callee) = (end(caller), end(callee));
        let agreed = match (caller.by, callee.by) {
            // Who was hung up on was hung up on by somebody; both may do so at once.
            (EndedBy::Local, EndedBy::Remote | EndedBy::Local)
            | (EndedBy::Remote, EndedBy::Local)
            // The ACK or a whole dialog was lost: who noticed said BYE, which may have arrived.
            | (EndedBy::Timeout, _)
            | (_, EndedBy::Timeout) => true,
            (EndedBy::Failure, EndedBy::Local) => caller.status == callee.status,
            (EndedBy::Failure, _) | (_, EndedBy::Failure) => false,
            (EndedBy::Remote, EndedBy::Remote) => false,
        };
        assert!(agreed, "seed {seed}: {caller:?} and {callee:?}");
    }
    storm
}

fn by(storm: &Storm, by: EndedBy) -> usize {
    storm.sides.values().filter(|side| side.ended.as_ref().is_some_and(|e| e.by == by)).count()
}

#[test]
fn on_a_good_network_both_sides_agree_on_every_call() {
    let weather = Weather { jitter: Duration::from_millis(30), ..Weather::FINE };
    let storm = storm(11, weather);
    assert_eq!(storm.sides.len(), 2 * CALLS, "each call was seen by both sides");
    assert_eq!(by(&storm, EndedBy::Timeout), 0);
    let (local, remote) = (by(&storm, EndedBy::Local), by(&storm, EndedBy::Remote));
    let failed = by(&storm, EndedBy::Failure);
    // Who is refused sees a failure; who refuses ended it himself. Two may hang up at once.
    assert!(local >= remote + failed, "{local} {remote} {failed}");
    assert!(local <= remote + failed + CALLS / 20, "{local} {remote} {failed}");
}

#[test]
fn a_network_that_loses_doubles_and_reorders_leaves_no_call_behind() {
    for seed in [1, 2, 3] {
        let weather = Weather {
            loss: 0.15,
            double: 0.1,
            delay: Duration::from_millis(20),
            jitter: Duration::from_millis(300),
        };
        let storm = storm(seed, weather);
        // At 15 % loss each way eleven tries all but always get through.
        let lost = by(&storm, EndedBy::Timeout);
        assert!(lost < CALLS / 100, "seed {seed}: {lost} calls timed out");
    }
}

#[test]
fn a_network_that_loses_nearly_everything_leaves_no_call_behind() {
    let weather = Weather {
        loss: 0.7,
        double: 0.3,
        delay: Duration::from_millis(50),
        jitter: Duration::from_millis(2000),
    };
    let storm = storm(4, weather);
    assert!(by(&storm, EndedBy::Timeout) > 0, "such a network must be noticed");
}

#[test]
fn a_peer_that_vanishes_in_mid_call_is_noticed_by_who_speaks_to_it() {
    let mut net = Net::pair();
    let (caller, _) = net.established();
    net.filter = Some(Box::new(|sent| sent.from == support::address(2)));
    let now = net.now;
    net.at(1).offer(now, caller, OFFER.into()).unwrap();
    net.run(Duration::from_secs(40));
    let ended = support::ended(&net.call_events(1));
    assert_eq!(ended.by, EndedBy::Timeout);
    assert!(net.count(1, "BYE") > 0, "the peer may still hear us");
    assert_eq!(header(&net.last("BYE"), "CSeq").split(' ').nth(1), Some("BYE"));
}
