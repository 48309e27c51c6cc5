//! The task of one call: carries out what its visit decides.

use std::{net::IpAddr, sync::Arc};

use phoneai_clock::Clock;
use phoneai_media::socket::{MediaEvent, MediaThreads, Stream, StreamConfig};
use phoneai_sip::{
    endpoint::{CallEvent, Header, Inbound},
    sdp::{LocalAudio, Negotiated, Origin, SdpError},
    transport::udp::Call,
};
use tokio::sync::mpsc;
use tracing::{debug, info};

use super::{
    Counters, count, faults, line, sdp,
    visit::{Action, Visit},
    witness::{Watch, Witnessed},
};

/// Copies of a repeated sound that wait to be played, so that there is no gap between them.
const REPEATS_AHEAD: usize = 2;

/// What a call needs of the carrier.
pub(super) struct Desk {
    pub(super) media: MediaThreads,
    pub(super) stream: StreamConfig,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    /// Any number, for the `o=` line of our descriptions.
    pub(super) session_id: u64,
    /// The noise of the line, to be repeated.
    pub(super) noise: Option<Arc<[i16]>>,
    /// Who is told when the call is over.
    pub(super) witness: Option<mpsc::Sender<Witnessed>>,
}

/// Serves a call from its INVITE to its end.
pub(super) async fn run(
    call: Call,
    request: Box<Inbound>,
    number: String,
    visit: Visit,
    desk: Desk,
) {
    let id = call.id();
    let (counters, clock, witness) = (desk.counters.clone(), desk.clock, desk.witness.clone());
    let mut watch = Watch::new(clock.now(), number);
    let reason = match Conversation::open(call, &request, visit, desk).await {
        Some(conversation) => conversation.run(&mut watch).await,
        None => "refused",
    };
    if let Some(witness) = witness {
        // A witness that is too slow or gone loses calls.
        let _ = witness.try_send(watch.over(clock.now()));
    }
    count(&counters.ended);
    info!(call = %id, reason, "The call is over.");
}

struct Conversation {
    call: Call,
    visit: Visit,
    clock: Clock,
    counters: Arc<Counters>,
    stream: Stream,
    session: Session,
    noise: Option<Arc<[i16]>>,
    /// The sound that is played again whenever it ends.
    repeated: Option<Arc<[i16]>>,
}

/// Offer and answer of a call.
struct Session {
    local: LocalAudio,
    origin: Origin,
    /// Where the peer's SIP comes from.
    signalling: IpAddr,
    /// Our description: the answer to the INVITE's offer, or an offer if it brought none.
    description: Arc<[u8]>,
    agreed: Option<Negotiated>,
}

impl Session {
    fn new(local: LocalAudio, request: &Inbound, session_id: u64) -> Result<Self, SdpError> {
        let mut origin = Origin::new(session_id);
        let signalling = request.flow.peer.ip();
        let (description, agreed) = match request.sdp() {
            Some(offer) => {
                let (answer, agreed) = phoneai_sip::sdp::answer(&offer, &local, &mut origin)?;
                (answer, Some(agreed))
            }
            None => (phoneai_sip::sdp::offer(&local, &mut origin), None),
        };
        let description = sdp::terse(&description).into_bytes().into();
        Ok(Self { local, origin, signalling, description, agreed })
    }

    /// Answers an offer, or makes one when the peer asks for it.
    fn change(&mut self, offer: Option<&[u8]>) -> Result<Arc<[u8]>, u16> {
        let description = match offer {
            Some(offer) => {
                let answered = phoneai_sip::sdp::answer(offer, &self.local, &mut self.origin);
                let (answer, agreed) = answered.map_err(|error| error.status().as_u16())?;
                self.agreed = Some(agreed);
                answer
            }
            None => phoneai_sip::sdp::offer(&self.local, &mut self.origin),
        };
        Ok(sdp::terse(&description).into_bytes().into())
    }
}

impl Conversation {
    /// Reads the offer and opens the media; `None` if the call was refused.
    async fn open(call: Call, request: &Inbound, mut visit: Visit, desk: Desk) -> Option<Self> {
        let Desk { media, stream, clock, counters, session_id, noise, witness: _ } = desk;
        let refuse = async |status: u16, headers: Vec<Header>| {
            // An error means that the caller has given up.
            let _ = call.reject(status, headers).await;
            None
        };
        if visit.poll_timeout().is_none()
            && let Some(Action::Refuse(status)) = visit.poll_action()
        {
            return refuse(status, Vec::new()).await;
        }
        let stream = match media.open(&stream) {
            Ok(stream) => stream,
            Err(error) => {
                info!(call = %call.id(), %error, "A call is refused.");
                return refuse(503, vec![Header::new("Retry-After", "10")]).await;
            }
        };
        let local = sdp::local_audio(stream.local_addr.ip(), stream.local_addr.port());
        let session = match Session::new(local, request, session_id) {
            Ok(session) => session,
            Err(error) => {
                info!(call = %call.id(), %error, "A call is refused.");
                return refuse(error.status().as_u16(), Vec::new()).await;
            }
        };
        Some(Self { call, visit, clock, counters, stream, session, noise, repeated: None })
    }

    /// Serves the call and says how it ended.
    async fn run(mut self, watch: &mut Watch) -> &'static str {
        loop {
            watch.look(self.clock.now(), self.visit.stage(), self.visit.at());
            while let Some(action) = self.visit.poll_action() {
                if let Err(reason) = self.carry_out(action).await {
                    return reason;
                }
            }
            let (clock, due) = (self.clock, self.visit.poll_timeout());
            let timer = async move {
                match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.call.events.recv() => {
                    if let Err(reason) = self.on_sip(event).await {
                        return reason;
                    }
                }
                event = self.stream.events.recv() => match event {
                    Some(event) => {
                        if let MediaEvent::Digit { digit, .. } = &event {
                            watch.key(digit.to_char());
                        }
                        self.on_media(event);
                    }
                    None => return "the media have ended",
                },
                () = timer => self.visit.handle_timeout(self.clock.now()),
            }
        }
    }

    /// Does what the visit wants; an error is the end of the call.
    async fn carry_out(&mut self, action: Action) -> Result<(), &'static str> {
        let gone = |_| "the caller is gone";
        match action {
            Action::Ring => self.call.progress(180, None).await.map_err(gone)?,
            Action::EarlyMedia => {
                self.configure();
                // RFC 3262 §5: an offer of ours may not travel in an unreliable response.
                let answer = self.session.agreed.is_some();
                let description = answer.then(|| self.session.description.clone());
                self.call.progress(183, description).await.map_err(gone)?;
            }
            Action::Answer => {
                self.configure();
                self.call.accept(self.session.description.clone()).await.map_err(gone)?;
                count(&self.counters.answered);
            }
            Action::Refuse(status) => {
                self.call.reject(status, Vec::new()).await.map_err(gone)?;
                return Err("refused");
            }
            Action::Line(line::Action::HangUp) => {
                self.call.hangup(Vec::new()).await.map_err(gone)?;
                return Err("hung up");
            }
            Action::Line(line::Action::Stop) => self.play(None, false),
            Action::Line(line::Action::Play { sound, repeat }) => self.play(Some(sound), repeat),
        }
        Ok(())
    }

    async fn on_sip(&mut self, event: Option<CallEvent>) -> Result<(), &'static str> {
        match event {
            None | Some(CallEvent::Ended(_)) => return Err("the caller hung up"),
            Some(CallEvent::MediaAnswer { sdp }) => {
                match phoneai_sip::sdp::read_answer(&self.session.local, &sdp) {
                    Ok(agreed) => {
                        self.session.agreed = Some(agreed);
                        self.configure();
                    }
                    Err(error) => {
                        info!(call = %self.call.id(), %error, "The answer cannot be used.");
                        let _ = self.call.hangup(Vec::new()).await;
                        return Err("the caller's answer cannot be used");
                    }
                }
            }
            Some(CallEvent::Offer { sdp }) => {
                let answer = self.session.change(sdp.as_deref());
                if answer.is_ok() {
                    self.configure();
                }
                // An error means that the call has just ended, which its next event says.
                let _ = self.call.answer_offer(answer).await;
            }
            // We make no offers of our own after the answer, and no calls.
            Some(
                CallEvent::Progress { .. }
                | CallEvent::Answered { .. }
                | CallEvent::OfferAnswered { .. }
                | CallEvent::OfferRefused { .. }
                | CallEvent::Info { .. },
            ) => {}
        }
        Ok(())
    }

    fn on_media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Digit { digit, .. } => {
                count(&self.counters.keys);
                let at = self.visit.at().unwrap_or("no menu");
                debug!(call = %self.call.id(), key = %digit, at, "A key was pressed.");
                self.visit.handle_digit(self.clock.now(), digit.to_char());
            }
            MediaEvent::Played { .. } => {
                if let Some(sound) = &self.repeated {
                    // An error means that enough waits to be played.
                    let _ = self.stream.control.play(sound.clone());
                }
            }
            // The menus do not listen to sound, and a caller who only listens may be silent.
            MediaEvent::Frame(_)
            | MediaEvent::DigitsSent { .. }
            | MediaEvent::DigitsRefused { .. }
            | MediaEvent::FirstPacket { .. }
            | MediaEvent::NoPackets { .. }
            | MediaEvent::Closed { .. } => {}
        }
    }

    /// Tells the stream what was agreed on, if it was.
    fn configure(&mut self) {
        let Some(agreed) = &self.session.agreed else { return };
        let direction = sdp::direction(agreed.direction);
        let control = &self.stream.control;
        // Errors mean that the stream has ended; its events say so.
        if let Some(media) = sdp::agreed(agreed, self.session.signalling) {
            let _ = control.configure(media);
        }
        let _ = control.set_direction(direction);
    }

    fn play(&mut self, sound: Option<Arc<[i16]>>, repeat: bool) {
        let control = &self.stream.control;
        // Errors mean that the stream has ended; its events say so.
        let _ = control.stop_playing();
        let mut next = sound;
        self.repeated = None;
        if let Some(noise) = &self.noise {
            next = next.map(|sound| faults::mixed(&sound, noise));
            if !repeat {
                // The line hisses on when a recording ends.
                self.repeated = Some(noise.clone());
            }
        }
        if repeat {
            self.repeated.clone_from(&next);
        } else if let Some(sound) = next {
            let _ = control.play(sound);
        }
        if let Some(sound) = &self.repeated {
            for _ in 0..REPEATS_AHEAD {
                let _ = control.play(sound.clone());
            }
        }
    }
}
