//! Timers of each machine at their exact instants, over transports that lose and that do not.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use phoneai_clock::Clock;

use super::{ClientRequest, Matched, TimerValues, TransactionId, Transactions};
use crate::transport::{Flow, Transmit, TransportKind};

struct Bench {
    table: Transactions<u8>,
    out: VecDeque<Transmit>,
    start: Instant,
    flow: Flow,
}

impl Bench {
    fn new(transport: TransportKind) -> Self {
        let peer = ([192, 0, 2, 1], 5060).into();
        Self {
            table: Transactions::new(TimerValues::default(), 8),
            out: VecDeque::new(),
            start: Clock::real().now(),
            flow: Flow { peer, transport },
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn send(&mut self, method: &str) -> TransactionId {
        let bytes: Arc<[u8]> = b"request".as_slice().into();
        let request = ClientRequest { branch: "z9hG4bK1", method, bytes, flow: self.flow };
        self.table.send(self.start, request, 7, &mut self.out).unwrap()
    }

    fn serve(&mut self, is_invite: bool) -> TransactionId {
        let what = (is_invite, self.flow);
        self.table.accept(self.start, "key".to_owned(), None, what, 7).unwrap()
    }

    fn response(&mut self, ms: u64, method: &str, status: u16) -> bool {
        let (now, ack) = (self.at(ms), |_: &[u8]| Some(b"ack".as_slice().into()));
        let branch = ("z9hG4bK1", method);
        self.table.on_response(now, branch, status, ack, &mut self.out).is_some()
    }

    fn respond(&mut self, ms: u64, id: TransactionId, status: u16) {
        let (now, bytes) = (self.at(ms), b"response".as_slice().into());
        self.table.respond(now, id, status, bytes, &mut self.out);
    }

    fn request(&mut self, ms: u64, is_ack: bool) -> Matched<u8> {
        self.table.on_request(self.at(ms), "key", is_ack, &mut self.out)
    }

    /// Runs out all timers. Gives when what was sent, in milliseconds, when the user was told that
    /// nothing answered, and when all was forgotten.
    fn run(&mut self) -> (Vec<u128>, Option<u128>, u128) {
        let ms = |at: Instant, start| at.duration_since(start).as_millis();
        let (mut sent, mut gave_up, mut last) = (Vec::new(), None, 0);
        self.out.clear();
        while let Some(next) = self.table.poll_timeout() {
            last = ms(next, self.start);
            if self.table.handle_timeout(next, &mut self.out).is_some() {
                gave_up = Some(last);
            }
            sent.extend(self.out.drain(..).map(|_| last));
        }
        assert_eq!((self.table.len(), self.table.agenda.len()), (0, 0));
        assert!(self.table.clients.is_empty() && self.table.servers.is_empty());
        (sent, gave_up, last)
    }
}

const BACKOFF: [u128; 10] = [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];

#[test]
fn timers_a_and_b_run_until_something_answers() {
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("INVITE");
    assert_eq!(bench.out.len(), 1);
    let sent = vec![500, 1500, 3500, 7500, 15_500, 31_500];
    assert_eq!(bench.run(), (sent, Some(32_000), 32_000));
    let mut bench = Bench::new(TransportKind::Tcp);
    bench.send("INVITE");
    assert_eq!(bench.run(), (vec![], Some(32_000), 32_000));
}

#[test]
fn timer_d_acknowledges_copies_of_a_refusal_for_32_seconds() {
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("INVITE");
    assert!(bench.response(100, "INVITE", 180));
    assert!(bench.response(200, "INVITE", 486));
    assert!(!bench.response(700, "INVITE", 486), "the user hears of it once");
    let acks = bench.out.iter().filter(|sent| &*sent.payload == b"ack").count();
    assert_eq!(acks, 2);
    assert_eq!(bench.run(), (vec![], None, 32_200));
    let mut bench = Bench::new(TransportKind::Tls);
    bench.send("INVITE");
    assert!(bench.response(200, "INVITE", 486));
    assert_eq!(bench.table.len(), 0, "D is zero where nothing is lost");
}

#[test]
fn timer_m_passes_each_2xx_on_for_64_t1() {
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("INVITE");
    assert!(bench.response(100, "INVITE", 200));
    assert!(bench.response(600, "INVITE", 200));
    assert!(!bench.response(700, "INVITE", 486), "too late to refuse");
    assert_eq!(bench.run(), (vec![], None, 32_100));
}

#[test]
fn timers_e_f_and_k_rule_other_requests() {
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("BYE");
    assert_eq!(bench.run(), (BACKOFF.to_vec(), Some(32_000), 32_000));
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("BYE");
    assert!(bench.response(100, "BYE", 100));
    let sent = vec![500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500];
    assert_eq!(bench.run(), (sent, Some(32_000), 32_000), "each T2 once it proceeds");
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("BYE");
    assert!(bench.response(100, "BYE", 200));
    assert!(!bench.response(200, "BYE", 200));
    assert_eq!(bench.run(), (vec![], None, 5100));
    let mut bench = Bench::new(TransportKind::Ws);
    bench.send("BYE");
    assert!(bench.response(100, "BYE", 200));
    assert_eq!(bench.table.len(), 0);
}

#[test]
fn timers_g_h_and_i_rule_refused_invites() {
    let mut bench = Bench::new(TransportKind::Udp);
    let id = bench.serve(true);
    bench.respond(0, id, 486);
    assert_eq!(bench.run(), (BACKOFF.to_vec(), None, 32_000));
    let mut bench = Bench::new(TransportKind::Udp);
    let id = bench.serve(true);
    bench.respond(0, id, 486);
    assert_eq!(bench.request(100, false), Matched::Retransmission);
    assert_eq!(bench.out.len(), 2);
    assert_eq!(bench.request(200, true), Matched::Ack { accepted: None });
    assert_eq!(bench.request(300, true), Matched::Ack { accepted: None });
    assert_eq!(bench.run(), (vec![], None, 5200));
    let mut bench = Bench::new(TransportKind::Tcp);
    let id = bench.serve(true);
    bench.respond(0, id, 486);
    assert_eq!(bench.request(200, true), Matched::Ack { accepted: None });
    assert_eq!(bench.table.len(), 0, "I is zero where nothing is lost");
}

#[test]
fn timer_l_absorbs_copies_of_an_accepted_invite() {
    let mut bench = Bench::new(TransportKind::Udp);
    let id = bench.serve(true);
    bench.respond(100, id, 200);
    bench.respond(600, id, 200);
    assert_eq!(bench.request(700, false), Matched::Retransmission);
    assert_eq!(bench.out.len(), 2, "2xx are sent by the user alone");
    assert_eq!(bench.request(800, true), Matched::Ack { accepted: Some(7) });
    bench.respond(900, id, 486);
    assert_eq!(bench.out.len(), 2, "what was accepted cannot be refused");
    assert_eq!(bench.run(), (vec![], None, 32_100));
}

#[test]
fn timer_j_repeats_the_answer_to_other_requests() {
    let mut bench = Bench::new(TransportKind::Udp);
    let id = bench.serve(false);
    assert_eq!(bench.request(50, false), Matched::Retransmission);
    assert!(bench.out.is_empty(), "nothing to repeat yet");
    bench.respond(100, id, 200);
    assert_eq!(bench.request(150, false), Matched::Retransmission);
    assert_eq!(bench.out.len(), 2);
    assert_eq!(bench.run(), (vec![], None, 32_100));
    let mut bench = Bench::new(TransportKind::Udp);
    bench.serve(false);
    assert_eq!(bench.run(), (vec![], None, 32_000), "RFC 4320: no 408 when nobody answered");
}

#[test]
fn the_table_is_bounded_and_keys_are_unique() {
    let mut bench = Bench::new(TransportKind::Udp);
    bench.serve(true);
    assert!(bench.table.accept(bench.start, "key".into(), None, (true, bench.flow), 7).is_err());
    for index in 1..8 {
        let key = format!("key{index}");
        bench.table.accept(bench.start, key, None, (false, bench.flow), 7).unwrap();
    }
    assert!(bench.table.accept(bench.start, "key8".into(), None, (true, bench.flow), 7).is_err());
}

#[test]
fn a_late_caller_of_handle_timeout_causes_no_burst() {
    let mut bench = Bench::new(TransportKind::Udp);
    bench.send("BYE");
    bench.out.clear();
    let late = bench.at(60_000);
    assert!(bench.table.handle_timeout(late, &mut bench.out).is_some());
    assert_eq!(bench.out.len(), 1);
}
