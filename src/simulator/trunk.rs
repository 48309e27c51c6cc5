//! The carrier's front door: who may register and call, and a task for each call.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use phoneai_clock::Clock;
use phoneai_media::socket::{MediaThreads, StreamConfig};
use phoneai_sip::{
    auth::{Claim, DigestServer, Ha1, Verdict},
    endpoint::{Header, Inbound},
    message::{AuthValue, HeaderName, Method, Response, Uri},
    registrar::{Registrar, RegistrarConfig},
    transport::udp::{IncomingCall, IncomingRequest, Inlets},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tracing::{debug, info};

use super::{Counters, REALM, SimulatorConfig, call, count, visit};

/// The longest registration, in seconds. Flowroute grants as little.
const MAX_EXPIRES_S: u32 = 300;

/// Serves calls and registrations until the endpoint is shut down.
pub(super) async fn run(
    inlets: Inlets,
    config: SimulatorConfig,
    media: MediaThreads,
    clock: Clock,
    counters: Arc<Counters>,
) {
    let Inlets { mut incoming, mut requests } = inlets;
    let mut trunk = Trunk::new(config, media, clock, counters);
    loop {
        tokio::select! {
            call = incoming.recv() => match call {
                Some(call) => trunk.on_call(call).await,
                None => return,
            },
            Some(request) = requests.recv() => trunk.on_register(request).await,
        }
    }
}

struct Trunk {
    config: SimulatorConfig,
    media: MediaThreads,
    clock: Clock,
    counters: Arc<Counters>,
    gate: Gate,
    registrar: Registrar,
    random: StdRng,
    /// The noise of a bad line.
    noise: Option<Arc<[i16]>>,
}

/// Decides who may call.
struct Gate {
    digest: DigestServer,
    secrets: HashMap<String, Ha1>,
}

impl Trunk {
    fn new(
        config: SimulatorConfig,
        media: MediaThreads,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Self {
        let secret = |user: &phoneai_sip::auth::Credentials| {
            (user.username.clone(), Ha1::new(&user.username, REALM, &user.password))
        };
        let gate = Gate {
            digest: digest(clock.now()),
            secrets: config.users.iter().map(secret).collect(),
        };
        let registrar = Registrar::new(
            RegistrarConfig {
                min_expires_s: 1,
                max_expires_s: MAX_EXPIRES_S,
                default_expires_s: MAX_EXPIRES_S,
                ..RegistrarConfig::default()
            },
            digest(clock.now()),
        );
        let noise = config.faults.and_then(|faults| faults.noise());
        let random = StdRng::from_os_rng();
        Self { config, media, clock, counters, gate, registrar, random, noise }
    }

    async fn on_call(&mut self, incoming: IncomingCall) {
        let IncomingCall { call, request } = incoming;
        let now = self.clock.now();
        if self.config.require_auth
            && let Err(challenges) = self.gate.admit(now, &request)
        {
            count(&self.counters.challenged);
            let name = HeaderName::ProxyAuthenticate.as_str();
            let headers = challenges.into_iter().map(|value| Header::new(name, value)).collect();
            // An error means that the caller has given up.
            let _ = call.reject(407, headers).await;
            return;
        }
        let nth = self.counters.calls.fetch_add(1, Ordering::Relaxed);
        let number = Uri::parse(request.request_uri().as_bytes())
            .ok()
            .and_then(|uri| uri.user_decoded().map(|user| visit::dialled(&user)))
            .unwrap_or_default();
        let behaviour = self.config.menus.line(&number);
        info!(call = %call.id(), number, known = behaviour.is_some(), "A call has come in.");
        let desk = call::Desk {
            media: self.media.clone(),
            stream: StreamConfig {
                impairment: self.config.faults.map(|faults| faults.impairment(nth)),
                ..StreamConfig::new(self.config.listen.ip(), self.config.rtp_ports)
            },
            clock: self.clock,
            counters: self.counters.clone(),
            session_id: self.random.random(),
            noise: self.noise.clone(),
            witness: self.config.witness.clone(),
        };
        let visit = visit::Visit::new(now, behaviour);
        tokio::spawn(call::run(call, request, number, visit, desk));
    }

    async fn on_register(&mut self, incoming: IncomingRequest) {
        let (now, request) = (self.clock.now(), &incoming.request);
        self.registrar.handle_timeout(now);
        let source = request.flow;
        let secrets = &self.gate.secrets;
        let secret = |user: &str| secrets.get(user).cloned();
        let response = self.registrar.handle(now, source, &request.message(), secret);
        let status = response.code().as_u16();
        if status == 200 {
            count(&self.counters.registered);
        }
        debug!(%source, status, "A registration was asked for.");
        // An error means that the carrier is being shut down.
        let _ = incoming.respond(status, headers_of(&response), None).await;
    }
}

fn digest(now: Instant) -> DigestServer {
    DigestServer::new(REALM, StdRng::from_os_rng().random(), now)
}

impl Gate {
    /// Lets a call pass that has the right credentials; otherwise gives the challenges to answer.
    fn admit(&mut self, now: Instant, request: &Inbound) -> Result<(), Vec<String>> {
        let source: IpAddr = request.flow.peer.ip();
        let message = request.message();
        let body = request.body();
        let claim = Claim {
            source,
            method: Method::Invite,
            uri: request.request_uri().as_bytes(),
            body: body.as_deref().unwrap_or_default(),
        };
        let secrets = &self.secrets;
        let secret = |user: &str| secrets.get(user).cloned();
        let values = message.proxy_authorization().flatten().collect::<Vec<AuthValue<'_>>>();
        let verdict = self.digest.verify(now, &claim, values.into_iter(), secret);
        let stale = match verdict {
            Verdict::Accepted { .. } => return Ok(()),
            Verdict::Stale => true,
            Verdict::Refused(why) => {
                debug!(%source, %why, "A caller is challenged.");
                false
            }
        };
        let mut challenges = self.digest.challenge(now, source, stale);
        challenges.retain(|challenge| is_md5(challenge));
        Err(challenges)
    }
}

/// True for the challenge that trunks send. Ours come with one for SHA-256 before it (RFC 8760), at
/// which phones give up that do not know it instead of taking the next: baresip 1.0, for one.
fn is_md5(challenge: &str) -> bool {
    challenge.contains("algorithm=MD5")
}

/// What the registrar adds to the headers that every response has.
fn headers_of(response: &Response) -> Vec<Header> {
    const ADDED: [HeaderName<'static>; 5] = [
        HeaderName::Contact,
        HeaderName::WwwAuthenticate,
        HeaderName::MinExpires,
        HeaderName::RetryAfter,
        HeaderName::Unsupported,
    ];
    let lines = ADDED.iter().flat_map(|name| {
        let values = response.headers().all(*name);
        values.map(|value| Header::new(name.as_str(), String::from_utf8_lossy(value)))
    });
    let is_challenge = |header: &Header| header.name == HeaderName::WwwAuthenticate.as_str();
    lines.filter(|header| !is_challenge(header) || is_md5(&header.value)).collect()
}
