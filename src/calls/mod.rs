//! A call: its signalling, its media, its life, its record.
//!
//! [`Lines`] is what all calls share. [`Lines::place`] makes one call and is its owner until it is
//! over: one task, which hears what SIP, the media stream and the recogniser tell, passes it to the
//! call's [`pilot::Pilot`], and does what the pilot wants.

pub mod agreement;
pub mod answer;
mod call;
pub mod desk;
pub mod gate;
pub mod history;
pub mod live;
pub mod phone;
pub mod pilot;
pub mod recording;
pub mod trunk;
pub mod walk;

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use phoneai_clock::Clock;
use phoneai_media::socket::{MediaError, MediaThreads, PortRange};
use phoneai_sip::{registrar::Binding, transport::udp};
use tokio::sync::watch;
use uuid::Uuid;

use self::{
    gate::{Closed, Ending, Gate},
    live::{Live, LiveEvent, What},
    pilot::Pilot,
    recording::Shelf,
    trunk::Dialled,
};
use crate::{
    config::Trunk,
    policy::Refusal,
    speech::{CallMs, Engine, SpeechError},
    store::{ScanId, Store, StoreError, UserId},
};

/// What the calls of a service share. Copies are the same lines.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
}

/// How calls are made.
#[derive(Clone, Debug)]
pub struct LineSettings {
    /// The carrier.
    pub trunk: Trunk,
    /// The address that stands in our SDP; `None` for the one from which the trunk is reached.
    pub advertise: Option<IpAddr>,
    /// The address on which audio is received; `None` for all.
    pub media_bind: Option<IpAddr>,
    /// The ports for audio.
    pub media_ports: PortRange,
    /// How long a key sounds, in milliseconds.
    pub dtmf_tone_ms: u32,
    /// The silence after it, in milliseconds.
    pub dtmf_gap_ms: u32,
    /// Warn when the peer sends no audio for so long.
    pub no_packets_after: Duration,
}

struct Shared {
    settings: LineSettings,
    /// Where the trunk is reached.
    sip: udp::Handle,
    /// Where our phones are.
    phones: udp::Handle,
    media: MediaThreads,
    engine: Arc<dyn Engine>,
    store: Store,
    gate: Gate,
    recordings: Option<Shelf>,
    live: Live,
    clock: Clock,
}

/// A call to be made.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its id, under which it stands in the log, the record and the live events.
    pub uuid: Uuid,
    /// Whom to call.
    pub number: Dialled,
    /// From which number; `None` for the trunk's.
    pub caller_id: Option<String>,
    /// Who asked for it.
    pub asked_by: Option<UserId>,
    /// The scan that it serves, if it does.
    pub scan: Option<ScanId>,
}

/// How a call went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Why it ended, in one line.
    pub reason: String,
    /// The SIP status that refused it, if one did.
    pub sip_status: Option<u16>,
    /// From the answer to the end; `None` if it was not answered.
    pub talked: Option<Duration>,
    /// When it ended, on the call's clock.
    pub ended_ms: CallMs,
    /// Who cut it short, if somebody did: then it says nothing about the number.
    pub cut: Option<Cut>,
}

/// Who cut a call short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// An operator ended it, or all.
    Operator(Ending),
    /// The minutes or the money for calls are used up.
    Limit,
}

/// Why a call could not be made. Nothing was sent to anybody.
#[derive(Debug, thiserror::Error)]
pub enum CallFailure {
    /// The policy forbids it.
    #[error(transparent)]
    Refused(Refusal),
    /// The trunk's name was not found.
    #[error("cannot find the trunk {host}: {error}; check trunk.address and the name servers")]
    Trunk {
        /// As configured.
        host: String,
        /// What the resolver says.
        error: std::io::Error,
    },
    /// The extension has no phone at the moment.
    #[error("extension {extension} has no phone that is registered")]
    NotRegistered {
        /// Its name.
        extension: String,
    },
    /// No audio stream could be opened.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The recogniser takes no more calls.
    #[error(transparent)]
    Speech(#[from] SpeechError),
    /// SIP refused.
    #[error("cannot send the invitation: {0}")]
    Sip(#[from] udp::DriverError),
    /// What happened could not be stored. The call was ended: what is heard must be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Closed> for CallFailure {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Refused(refusal) => Self::Refused(refusal),
            Closed::Store(error) => Self::Store(error),
        }
    }
}

impl Lines {
    /// Puts the parts together; without `recordings` nothing is recorded. The endpoints are those of
    /// the trunk and of the phones, which may be the same.
    #[allow(clippy::too_many_arguments, reason = "each is a part, none has a default")]
    pub fn new(
        settings: LineSettings,
        [sip, phones]: [udp::Handle; 2],
        media: MediaThreads,
        engine: Arc<dyn Engine>,
        store: Store,
        gate: Gate,
        recordings: Option<Shelf>,
        live: Live,
        clock: Clock,
    ) -> Self {
        let shared =
            Shared { settings, sip, phones, media, engine, store, gate, recordings, live, clock };
        Self { shared: Arc::new(shared) }
    }

    /// Makes a call, if the gate lets it through, and stays with it until it is over. When `stop`
    /// becomes true, it is hung up.
    /// The caller stores the end of the call, and then tells it with [`Lines::tell_end`].
    ///
    /// # Errors
    /// If the call may not or could not be made, or what was heard could not be stored.
    pub async fn place(
        &self,
        order: &Order,
        pilot: &mut dyn Pilot,
        stop: watch::Receiver<bool>,
    ) -> Result<Report, CallFailure> {
        call::run(&self.shared, order, pilot, stop).await
    }

    /// Tells whoever watches that a call is over. It is to be stored before: who hears of it may
    /// ask for its record at once.
    pub fn tell_end(&self, order: &Order, at_ms: CallMs, reason: &str, status: Option<u16>) {
        self.shared.live.tell(LiveEvent {
            call: order.uuid,
            number: order.number.as_str().to_owned(),
            scan: order.scan.map(|scan| scan.0),
            at_ms,
            what: What::Ended { reason: reason.to_owned(), status },
        });
    }

    /// The place where calls tell what happens.
    pub fn live(&self) -> &Live {
        &self.shared.live
    }

    /// The database of the calls.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// The gate through which the calls go.
    pub fn gate(&self) -> &Gate {
        &self.shared.gate
    }

    /// The time of the calls.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }
}

impl Shared {
    /// The way to a number or a phone now. Names are looked up anew for each call: carriers move.
    async fn route(&self, number: &Dialled) -> Result<Route, CallFailure> {
        let Some(extension) = number.extension() else {
            let trunk = &self.settings.trunk;
            let address = resolve(trunk, self.sip.local_addr()).await?;
            // Its certificate is for the name that is configured, not for where that leads today.
            self.sip.name_peer(address, trunk.address.host.clone()).await?;
            return Ok(Route::Trunk(address));
        };
        let user = extension.to_owned();
        let phones = self.phones.with_reception(move |now, reception| {
            reception.bindings(now, &user, "").into_iter().next()
        });
        let extension = extension.to_owned();
        phones.await?.map(Route::Phone).ok_or(CallFailure::NotRegistered { extension })
    }

    /// The address of ours that `peer` can send audio to.
    fn media_address(&self, peer: SocketAddr) -> IpAddr {
        let bound = self.settings.media_bind.filter(|ip| !ip.is_unspecified());
        self.settings.advertise.or(bound).or_else(|| address_towards(peer)).unwrap_or(peer.ip())
    }
}

/// The way to whom we call.
enum Route {
    /// Through the trunk, which is here.
    Trunk(SocketAddr),
    /// To the preferred phone of an extension.
    Phone(Binding),
}

impl Route {
    /// Where the INVITE goes.
    fn destination(&self) -> SocketAddr {
        match self {
            Self::Trunk(address) => *address,
            Self::Phone(binding) => binding.source.peer,
        }
    }
}

/// The trunk's first address of the family that `local` speaks.
///
/// # Errors
/// [`CallFailure::Trunk`] if there is none.
pub async fn resolve(trunk: &Trunk, local: SocketAddr) -> Result<SocketAddr, CallFailure> {
    let failed = |error| CallFailure::Trunk { host: trunk.address.host.clone(), error };
    let found = tokio::net::lookup_host((trunk.address.host.as_str(), trunk.address.port))
        .await
        .map_err(failed)?;
    let mut fitting = found.filter(|address| address.is_ipv4() == local.is_ipv4());
    fitting.next().ok_or_else(|| {
        let version = if local.is_ipv4() { "IPv4" } else { "IPv6" };
        failed(std::io::Error::other(format!("it has no {version} address, which sip.listen is")))
    })
}

/// Our address on the way to `peer`, by asking the routing table; nothing is sent.
pub fn address_towards(peer: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(peer).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
