//! A network in virtual time: endpoints on it, and a wire that loses, doubles and reorders as its
//! seed says.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use phoneai_clock::Clock;
use phoneai_sip::{
    endpoint::{CallEvent, Ended, Endpoint, EndpointConfig, Event, Inbound, Reception},
    guard::GuardConfig,
    session::{CallId, OutgoingCall},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

pub const OFFER: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 0\r\n";
pub const ANSWER: &[u8] = b"v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n\
    t=0 0\r\nm=audio 5000 RTP/AVP 0\r\n";

/// How bad the wire is. Probabilities are between 0 and 1.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    pub loss: f64,
    pub double: f64,
    pub delay: Duration,
    pub jitter: Duration,
}

impl Weather {
    pub const FINE: Self =
        Self { loss: 0.0, double: 0.0, delay: Duration::from_millis(10), jitter: Duration::ZERO };
}

/// One datagram that was sent, for tests that look at the wire.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Instant,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Arc<[u8]>,
}

impl Sent {
    /// The first line.
    pub fn line(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        text.lines().next().unwrap_or_default().to_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Says of each datagram whether it is lost.
pub type Filter = Box<dyn FnMut(&Sent) -> bool>;

pub struct Net {
    pub start: Instant,
    pub now: Instant,
    pub weather: Weather,
    rng: StdRng,
    order: u64,
    wire: BTreeMap<(Instant, u64), Sent>,
    hosts: Vec<(SocketAddr, Endpoint)>,
    /// Everything that was put on the wire, lost or not.
    pub log: Vec<Sent>,
    pub keep_log: bool,
    /// What arrives at addresses without endpoint.
    pub outside: Vec<Sent>,
    /// Datagrams that the test wants lost.
    pub filter: Option<Filter>,
}

pub fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 5060))
}

impl Net {
    pub fn new(seed: u64, weather: Weather) -> Self {
        let start = Clock::real().now();
        Self {
            start,
            now: start,
            weather,
            rng: StdRng::seed_from_u64(seed),
            order: 0,
            wire: BTreeMap::new(),
            hosts: Vec::new(),
            log: Vec::new(),
            keep_log: true,
            outside: Vec::new(),
            filter: None,
        }
    }

    /// A net with hosts 1 and 2 on it and nothing wrong with it.
    pub fn pair() -> Self {
        let mut net = Self::new(1, Weather::FINE);
        net.add(1);
        net.add(2);
        net
    }

    pub fn add(&mut self, host: u8) -> &mut Endpoint {
        self.add_with(host, EndpointConfig::new(address(host)))
    }

    pub fn add_with(&mut self, host: u8, config: EndpointConfig) -> &mut Endpoint {
        let endpoint = Endpoint::new(config, self.rng.random());
        self.hosts.push((address(host), endpoint));
        self.at(host)
    }

    pub fn add_reception(&mut self, host: u8, config: EndpointConfig, reception: Reception) {
        let endpoint = Endpoint::new(config, self.rng.random()).with_reception(reception);
        self.hosts.push((address(host), endpoint));
    }

    /// Gives a host a guard.
    pub fn guard(&mut self, host: u8, config: GuardConfig) {
        let (wanted, now) = (address(host), self.now);
        let at = self.hosts.iter().position(|(address, _)| *address == wanted).expect("a host");
        let (address, endpoint) = self.hosts.remove(at);
        self.hosts.push((address, endpoint.with_guard(now, config)));
    }

    pub fn at(&mut self, host: u8) -> &mut Endpoint {
        let wanted = address(host);
        let host = self.hosts.iter_mut().find(|(address, _)| *address == wanted);
        &mut host.expect("a host of that number").1
    }

    /// Seconds since the beginning.
    pub fn seconds(&self) -> f64 {
        self.now.duration_since(self.start).as_secs_f64()
    }

    /// Puts a datagram on the wire.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<Arc<[u8]>>) {
        let sent = Sent { at: self.now, from, to, bytes: bytes.into() };
        if self.keep_log {
            self.log.push(sent.clone());
        }
        if self.filter.as_mut().is_some_and(|loses| loses(&sent)) {
            return;
        }
        let copies = 1 + usize::from(self.rng.random_bool(self.weather.double));
        for _ in 0..copies {
            if self.rng.random_bool(self.weather.loss) {
                continue;
            }
            let jitter = self.weather.jitter.as_micros() as u64;
            let extra = Duration::from_micros(self.rng.random_range(0..=jitter));
            self.order += 1;
            self.wire.insert((self.now + self.weather.delay + extra, self.order), sent.clone());
        }
    }

    /// Puts on the wire what the endpoints have to send.
    pub fn flush(&mut self) {
        let mut out = Vec::new();
        for (from, endpoint) in &mut self.hosts {
            while let Some(transmit) = endpoint.poll_transmit() {
                out.push((*from, transmit.destination, transmit.payload));
            }
        }
        for (from, to, bytes) in out {
            self.send(from, to, bytes);
        }
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Instant> {
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        let timers = self.hosts.iter().filter_map(|(_, endpoint)| endpoint.poll_timeout());
        arrival.into_iter().chain(timers).min()
    }

    /// Lets the next thing happen, if it does so before `limit`.
    pub fn step(&mut self, limit: Instant) -> bool {
        self.flush();
        let Some(next) = self.next().filter(|next| *next <= limit) else {
            self.now = self.now.max(limit);
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.wire.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let sent = entry.remove();
            match self.hosts.iter_mut().find(|(address, _)| *address == sent.to) {
                Some((_, endpoint)) => endpoint.handle_datagram(self.now, sent.from, &sent.bytes),
                None => self.outside.push(sent),
            }
        }
        for (_, endpoint) in &mut self.hosts {
            if endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
                endpoint.handle_timeout(self.now);
            }
        }
        self.flush();
        true
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
    }

    pub fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    pub fn events(&mut self, host: u8) -> Vec<Event> {
        let endpoint = self.at(host);
        std::iter::from_fn(|| endpoint.poll_event()).collect()
    }

    /// The events of calls at a host.
    pub fn call_events(&mut self, host: u8) -> Vec<CallEvent> {
        let events = self.events(host).into_iter();
        events
            .filter_map(|event| match event {
                Event::Call { event, .. } => Some(event),
                _ => None,
            })
            .collect()
    }

    pub fn call(&mut self, from: u8, to: u8) -> CallId {
        let now = self.now;
        let call = outgoing(to);
        let id = self.at(from).invite(now, call).expect("room for a call");
        self.flush();
        id
    }

    /// Waits a little for a call at a host.
    pub fn incoming(&mut self, host: u8) -> (CallId, Inbound) {
        self.run_ms(200);
        self.events(host)
            .into_iter()
            .find_map(|event| match event {
                Event::Incoming { call, request } => Some((call, *request)),
                _ => None,
            })
            .expect("an incoming call")
    }

    pub fn accept(&mut self, host: u8, call: CallId) {
        let now = self.now;
        self.at(host).accept(now, call, ANSWER.into()).expect("a call that rings");
        self.flush();
    }

    pub fn hangup(&mut self, host: u8, call: CallId) {
        let now = self.now;
        self.at(host).hangup(now, call, Vec::new()).expect("a call to hang up");
        self.flush();
    }

    /// A call between hosts 1 and 2 that is answered; its names there.
    pub fn established(&mut self) -> (CallId, CallId) {
        let caller = self.call(1, 2);
        let (callee, _) = self.incoming(2);
        self.accept(2, callee);
        self.run_ms(100);
        let answered = self.call_events(1);
        assert!(matches!(answered.last(), Some(CallEvent::Answered { .. })), "{answered:?}");
        self.events(2);
        (caller, callee)
    }

    /// First lines of what a host sent since `from` in the log.
    pub fn lines_of(&self, host: u8) -> Vec<String> {
        self.log.iter().filter(|sent| sent.from == address(host)).map(Sent::line).collect()
    }

    /// How many datagrams of a host begin with `start`.
    pub fn count(&self, host: u8, start: &str) -> usize {
        self.lines_of(host).iter().filter(|line| line.starts_with(start)).count()
    }

    /// Milliseconds at which a host sent what begins with `start`.
    pub fn times(&self, host: u8, start: &str) -> Vec<u128> {
        self.log
            .iter()
            .filter(|sent| sent.from == address(host) && sent.line().starts_with(start))
            .map(|sent| sent.at.duration_since(self.start).as_millis())
            .collect()
    }

    /// The last message that begins with `start`, from whomever.
    pub fn last(&self, start: &str) -> Sent {
        let found = self.log.iter().rev().find(|sent| sent.line().starts_with(start));
        found.unwrap_or_else(|| panic!("nothing begins with {start}")).clone()
    }

    /// Lets everything that is late come and time out; nothing may be left then.
    pub fn assert_clean(&mut self) {
        self.run(Duration::from_secs(140));
        for (address, endpoint) in &self.hosts {
            let left = (
                endpoint.calls_alive(),
                endpoint.calls_closing(),
                endpoint.transactions(),
                endpoint.poll_timeout(),
            );
            assert_eq!(left, (0, 0, 0, None), "left at {address}");
        }
    }
}

pub fn outgoing(to: u8) -> OutgoingCall {
    OutgoingCall {
        target_uri: format!("sip:1001@{}", address(to)),
        from_display: None,
        from_user: "1000".to_owned(),
        from_host: "example.net".to_owned(),
        asserted_identity: None,
        destination: address(to),
        transport: Default::default(),
        routes: Vec::new(),
        credentials: None,
        offer: OFFER.into(),
        headers: Vec::new(),
    }
}

/// The only end among the events.
pub fn ended(events: &[CallEvent]) -> Ended {
    let mut ends = events.iter().filter_map(|event| match event {
        CallEvent::Ended(ended) => Some((**ended).clone()),
        _ => None,
    });
    let end = ends.next().unwrap_or_else(|| panic!("no end among {events:?}"));
    assert_eq!(ends.next(), None, "a call ends once");
    end
}

/// The value of the first header of that name.
pub fn header(message: &Sent, name: &str) -> String {
    let text = message.text();
    let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
    found.unwrap_or_default().to_owned()
}

/// A response that a peer without endpoint writes by hand. `headers` are whole lines with CRLF.
pub fn reply(request: &Sent, status: &str, tag: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut to = header(request, "To");
    if !tag.is_empty() && !to.contains(";tag=") {
        to.push_str(&format!(";tag={tag}"));
    }
    let mut bytes = format!(
        "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         {headers}Content-Length: {}\r\n\r\n",
        header(request, "Via"),
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
        body.len(),
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A request that a peer without endpoint writes by hand.
pub struct Raw {
    pub method: &'static str,
    pub from_host: u8,
    pub branch: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Raw {
    /// A request outside of dialogs from `from_host`.
    pub fn new(method: &'static str, from_host: u8) -> Self {
        Self {
            method,
            from_host,
            branch: "z9hG4bKraw1".to_owned(),
            from: "<sip:raw@example.net>;tag=raw".to_owned(),
            to: "<sip:1001@example.net>".to_owned(),
            call_id: "raw-call".to_owned(),
            cseq: 1,
            headers: String::new(),
            body: Vec::new(),
        }
    }

    pub fn bytes(&self, uri: &str) -> Vec<u8> {
        let peer = address(self.from_host);
        let mut bytes = format!(
            "{} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch={};rport\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {}\r\nContact: <sip:raw@{peer}>\r\n\
             {}Content-Length: {}\r\n\r\n",
            self.method,
            self.branch,
            self.from,
            self.to,
            self.call_id,
            self.cseq,
            self.method,
            self.headers,
            self.body.len(),
        )
        .into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Net {
    /// Sends a hand-written request to a host.
    pub fn send_raw(&mut self, raw: &Raw, to: u8) {
        let bytes = raw.bytes(&format!("sip:1001@{}", address(to)));
        self.send(address(raw.from_host), address(to), bytes);
    }

    /// Answers a request by hand.
    pub fn reply_raw(&mut self, request: &Sent, status: &str, tag: &str, sdp: &[u8]) {
        let contact = format!("Contact: <sip:phone-{tag}@{}>\r\n", request.to);
        let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let bytes = reply(request, status, tag, &format!("{contact}{kind}"), sdp);
        self.send(request.to, request.from, bytes);
    }

    /// What has arrived at addresses without endpoint since the last time.
    pub fn arrived(&mut self) -> Vec<Sent> {
        self.run_ms(20);
        std::mem::take(&mut self.outside)
    }

    /// The only message that arrived outside whose first line begins with `start`.
    pub fn arrived_one(&mut self, start: &str) -> Sent {
        let arrived = self.arrived();
        let mut found = arrived.iter().filter(|sent| sent.line().starts_with(start));
        let first = found.next().unwrap_or_else(|| panic!("no {start} among {arrived:#?}"));
        assert!(found.next().is_none(), "more than one {start}");
        first.clone()
    }
}
