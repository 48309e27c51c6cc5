//! The task of one call.

mod acts;
mod reason;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use phoneai_media::{
    detect::{
        Detectors,
        silence::{SilenceDetector, SpeechChange},
    },
    recorder::RecordingResult,
    socket::{Direction, Frame, MediaEvent, Stream, StreamConfig},
};
use phoneai_sip::{
    endpoint::{CallEvent, Ended, EndedBy},
    transport::udp,
};
use reason::{refusal, stopped};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use super::{
    CallFailure, Cut, Order, Report, Route, Shared,
    agreement::{Agreed, Agreement},
    answer::Answer,
    gate::Endings,
    live::{LiveEvent, What},
    phone,
    pilot::{Heard, Pilot},
    recording::Recording,
    trunk,
};
use crate::{
    crawl::tree::Keys,
    log,
    policy::number::Called,
    speech::{CallMs, Listening, SpeechEvent, Transcriber},
    store::{CallStep, NewCall},
};

/// How long a call that nobody answers may ring; carriers give up after about as long.
const RING_LIMIT: Duration = Duration::from_secs(60);
/// How long the far end may take to confirm that a call is over, before it counts as over.
const GOODBYE_LIMIT: Duration = Duration::from_secs(8);
/// How long after a call the recogniser may take for what was said last.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(60);
/// How long the end of a call waits for its recording to be complete.
const FILE_LIMIT: Duration = Duration::from_secs(5);

/// Makes a call and lives it.
pub(super) async fn run(
    shared: &Shared,
    order: &Order,
    pilot: &mut dyn Pilot,
    mut stop: watch::Receiver<bool>,
) -> Result<Report, CallFailure> {
    // Before it is cleared: a stop after that must be heard.
    let [endings, mut at_once] = shared.gate.endings();
    let route = shared.route(&order.number).await?;
    let destination = route.destination();
    let local = shared.sip.local_addr();
    let bind = shared.settings.media_bind.unwrap_or(local.ip());
    let config = StreamConfig {
        no_packets_after: shared.settings.no_packets_after,
        ..StreamConfig::new(bind, shared.settings.media_ports)
    };
    let stream = shared.media.open(&config)?;
    let opened = shared.clock.now();
    let Listening { ear, events: words } = shared.engine.open(&order.uuid.to_string())?;

    let address = shared.media_address(destination);
    let (session_id, _) = order.uuid.as_u64_pair();
    let mut agreement = Agreement::new(address, stream.local_addr.port(), session_id);
    let (caller_id, offer) = (order.caller_id.as_deref(), agreement.offer());
    let (endpoint, invitation) = match &route {
        Route::Trunk(at) => {
            let trunk = &shared.settings.trunk;
            (&shared.sip, trunk::invite(trunk, *at, &order.number, caller_id, offer))
        }
        Route::Phone(binding) => {
            let us = shared.phones.local_addr();
            (&shared.phones, phone::invite(binding, us, caller_id, offer))
        }
    };

    let new = NewCall {
        uuid: order.uuid,
        scan: order.scan,
        number: order.number.as_str().to_owned(),
        caller_id: order.caller_id.clone(),
        asked_by: order.asked_by,
    };
    let clearance = shared.gate.clear(&new).await?;
    let recording = Recording::start(shared.recordings.as_ref(), order.uuid);
    if let Some(file) = recording.call_file() {
        shared.store.update_call(order.uuid, &CallStep::Recording(file)).await?;
    }
    let line = endpoint.invite(invitation).await?;
    let number = log::number(order.number.as_str());
    info!(
        call = %order.uuid, %number, to = %destination,
        audio = %SocketAddr::new(address, stream.local_addr.port()), "Calling."
    );
    let mut call = Call {
        shared,
        order,
        pilot,
        line,
        stream,
        agreement,
        destination,
        ear: Some(ear),
        words,
        detector: SilenceDetector::default(),
        detectors: Detectors::default(),
        answer: Answer::default(),
        recording,
        opened,
        answered: None,
        pressing: None,
        hang_up: None,
        cut: None,
        called: clearance.called.clone(),
        endings,
        longest: clearance.longest,
        deadline: opened + RING_LIMIT,
    };
    call.tell(What::Dialling);
    // Whatever the call is waiting for, be it a database that is slow: it ends when it is told.
    let ender = call.line.ender();
    let ended_by_force = async {
        at_once.of(clearance.called.as_ref()).await;
        // An error means that it was over already.
        let _ = ender.hangup().await;
        std::future::pending::<Infallible>().await
    };
    let ended = tokio::select! {
        ended = call.live(&mut stop) => ended,
        never = ended_by_force => match never {},
    };
    call.close(ended, &mut stop).await
}

struct Call<'a> {
    shared: &'a Shared,
    order: &'a Order,
    pilot: &'a mut dyn Pilot,
    line: udp::Call,
    stream: Stream,
    agreement: Agreement,
    destination: SocketAddr,
    /// Gone when it was told that no more audio comes.
    ear: Option<Box<dyn Transcriber>>,
    words: mpsc::Receiver<SpeechEvent>,
    detector: SilenceDetector,
    detectors: Detectors,
    answer: Answer,
    recording: Recording,
    opened: Instant,
    answered: Option<Instant>,
    /// Keys that are being sent.
    pressing: Option<Keys>,
    /// Why we hang up, once we do.
    hang_up: Option<String>,
    /// Who cut it short, once somebody does.
    cut: Option<Cut>,
    called: Option<Called>,
    endings: Endings,
    /// How long it may last from the answer on, if limits on minutes or money say so.
    longest: Option<Duration>,
    /// When to give up waiting: for an answer, then for the end of a call that we ended.
    deadline: Instant,
}

/// How the signalling ended, or what made us stop living the call.
enum End {
    Signalled(Box<Ended>),
    /// The peer never confirmed the end, or the endpoint is gone.
    Unconfirmed,
    Failed(CallFailure),
}

impl Call<'_> {
    /// From the INVITE until the signalling is over.
    async fn live(&mut self, stop: &mut watch::Receiver<bool>) -> End {
        let mut stopping = false;
        loop {
            if let Err(failure) = self.obey().await {
                self.hang_up("what was heard could not be stored").await;
                return End::Failed(failure);
            }
            let clock = self.shared.clock;
            let pilot_due = match self.hang_up {
                None => {
                    let due = [self.pilot.poll_timeout(), self.answer.poll_timeout()];
                    due.into_iter().flatten().min().map(|ms| self.instant(ms))
                }
                Some(_) => None,
            };
            // Until the answer the call may ring so long; then the pilot ends it, or a limit does;
            // at last the peer may take so long to confirm the end.
            let limited =
                self.answered.is_none() || self.hang_up.is_some() || self.longest.is_some();
            let due = pilot_due.into_iter().chain(limited.then_some(self.deadline)).min();
            let sleep = async {
                match due {
                    Some(due) => clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.line.events.recv() => match event {
                    Some(CallEvent::Ended(ended)) => return End::Signalled(ended),
                    Some(event) => {
                        if let Err(failure) = self.signalled(event).await {
                            self.hang_up("what was heard could not be stored").await;
                            return End::Failed(failure);
                        }
                    }
                    None => return End::Unconfirmed,
                },
                Some(event) = self.stream.events.recv() => self.heard_media(event),
                Some(event) = self.words.recv() => self.heard_words(event),
                () = sleep => {
                    let now = clock.now();
                    if limited && now >= self.deadline {
                        if self.hang_up.is_some() {
                            return End::Unconfirmed;
                        }
                        if self.answered.is_none() {
                            self.hang_up("nobody answered").await;
                        } else {
                            self.cut.get_or_insert(Cut::Limit);
                            self.hang_up("the minutes or the money for calls are used up").await;
                        }
                    } else if self.hang_up.is_none() {
                        let now = self.ms(now);
                        self.answer.handle_timeout(now);
                        self.tell_party(now);
                        self.pilot.handle_timeout(now);
                    }
                }
                ending = self.endings.of(self.called.as_ref()) => {
                    self.hang_up(stopped(&ending)).await;
                    self.cut.get_or_insert(Cut::Operator(ending));
                }
                changed = stop.changed(), if !stopping => {
                    stopping = changed.is_err() || *stop.borrow();
                    if stopping {
                        self.hang_up("the service stops").await;
                    }
                }
            }
        }
    }

    /// After the signalling: the last words, the last acts, the report.
    async fn close(
        mut self,
        end: End,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<Report, CallFailure> {
        let over = self.shared.clock.now();
        self.stream.control.close();
        // What was ended by force may be over before we heard that it was to end.
        if let Some(ending) = self.endings.pending(self.called.as_ref()) {
            self.hang_up.get_or_insert(stopped(&ending).to_owned());
            self.cut.get_or_insert(Cut::Operator(ending));
        }
        let recorded = self.recording.finish();
        let report = self.report(&end, over);
        if let End::Failed(failure) = end {
            return Err(failure);
        }
        if let Some(ear) = self.ear.take() {
            ear.finish();
        }
        // Whoever hangs up has heard enough; who is hung up on wants to know what was said last.
        if self.hang_up.is_none() {
            self.pilot.handle(self.ms(over), Heard::HungUp);
            self.last_words(stop).await?;
        } else if !matches!(self.cut, Some(Cut::Operator(_))) && self.pilot.poll_timeout().is_some()
        {
            // It hung up in a hurry and has not understood yet what it heard.
            self.last_words(stop).await?;
        }
        self.pilot.handle(self.ms(self.shared.clock.now()), Heard::Closed);
        self.obey().await?;
        self.wait_for_file(recorded).await;
        info!(
            call = %self.order.uuid, reason = %report.reason, status = report.sip_status,
            seconds = report.talked.map(|t| t.as_secs_f32()), "The call is over."
        );
        Ok(report)
    }

    /// Waits for the words of what was said before the far end hung up, unless the service stops:
    /// they can be heard again in another call.
    async fn last_words(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), CallFailure> {
        let clock = self.shared.clock;
        let limit = clock.now() + LAST_WORDS_LIMIT;
        loop {
            self.obey().await?;
            let due = self.pilot.poll_timeout().map_or(limit, |ms| self.instant(ms).min(limit));
            tokio::select! {
                event = self.words.recv() => match event {
                    Some(event) => self.heard_words(event),
                    None => return Ok(()),
                },
                () = clock.sleep_until(due) => {
                    if clock.now() >= limit {
                        warn!(call = %self.order.uuid, "The last words were not recognised in time.");
                        return Ok(());
                    }
                    self.pilot.handle_timeout(self.ms(clock.now()));
                }
                // An error means that the service is gone.
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Waits until the recording is complete: who hears of the end of the call may open it.
    async fn wait_for_file(&mut self, recorded: Option<oneshot::Receiver<RecordingResult>>) {
        let Some(recorded) = recorded else { return };
        tokio::select! {
            // A failure was told when it happened.
            _ = recorded => {}
            () = self.shared.clock.sleep(FILE_LIMIT) => {
                warn!(call = %self.order.uuid, "The recording is not on disk yet; is the disk slow?");
            }
        }
    }

    fn report(&self, end: &End, over: Instant) -> Report {
        let (status, theirs) = match end {
            End::Signalled(ended) => {
                let reason = match ended.by {
                    EndedBy::Local => "we hung up".to_owned(),
                    EndedBy::Remote => "the line hung up".to_owned(),
                    EndedBy::Timeout | EndedBy::Failure => match ended.status {
                        Some(status) => refusal(status, &ended.reason),
                        None => ended.reason.clone(),
                    },
                };
                (ended.status, reason)
            }
            End::Unconfirmed => (None, "the line fell silent".to_owned()),
            End::Failed(failure) => (None, failure.to_string()),
        };
        Report {
            reason: self.hang_up.clone().unwrap_or(theirs),
            sip_status: status.filter(|_| self.hang_up.is_none()),
            talked: self.answered.map(|answered| over.saturating_duration_since(answered)),
            ended_ms: self.ms(over),
            cut: self.cut.clone(),
        }
    }

    async fn signalled(&mut self, event: CallEvent) -> Result<(), CallFailure> {
        match event {
            CallEvent::Progress { status, reason, sdp, tag: _ } => {
                debug!(call = %self.order.uuid, status, %reason, early_media = sdp.is_some(), "Progress.");
                self.tell(What::Progress { status });
                if let Some(sdp) = sdp {
                    self.agree(&sdp);
                }
                self.shared.store.update_call(self.order.uuid, &CallStep::Ringing).await?;
            }
            CallEvent::Answered { sdp, response: _ } => {
                let now = self.shared.clock.now();
                self.answered = Some(now);
                if let (Some(longest), None) = (self.longest, &self.hang_up) {
                    self.deadline = now + longest;
                }
                info!(call = %self.order.uuid, after_ms = self.ms(now), "Answered.");
                self.tell(What::Answered);
                match sdp {
                    Some(sdp) if self.agree(&sdp) => {
                        self.answer.handle_answered(self.ms(now));
                        self.pilot.handle(self.ms(now), Heard::Answered);
                    }
                    _ => self.hang_up("the answer has no audio that we can take part in").await,
                }
                self.shared.store.update_call(self.order.uuid, &CallStep::Answered).await?;
            }
            CallEvent::Offer { sdp } => self.offered(sdp).await,
            CallEvent::MediaAnswer { sdp } => {
                self.agree(&sdp);
            }
            CallEvent::Info { content_type, body: _ } => {
                debug!(call = %self.order.uuid, %content_type, "INFO, not used.");
            }
            CallEvent::OfferAnswered { .. } | CallEvent::OfferRefused { .. } => {
                debug!(call = %self.order.uuid, "An offer was answered that we did not make.");
            }
            // The caller of this looks for it first.
            CallEvent::Ended(_) => {}
        }
        Ok(())
    }

    /// Reads an answer to our offer and lets audio flow; false if it cannot.
    fn agree(&mut self, answer: &[u8]) -> bool {
        match self.agreement.read_answer(answer, self.destination.ip()) {
            Ok(agreed) => {
                self.configure(agreed);
                true
            }
            Err(error) => {
                warn!(call = %self.order.uuid, %error, "The answer cannot be used.");
                false
            }
        }
    }

    /// The peer changes the session: hold, another address, or only a sign of life.
    async fn offered(&mut self, offer: Option<Arc<[u8]>>) {
        let answer = match offer {
            None => Ok(self.agreement.offer()),
            Some(offer) => match self.agreement.answer(&offer, self.destination.ip()) {
                Ok((answer, agreed)) => {
                    self.configure(agreed);
                    Ok(answer)
                }
                Err(error) => {
                    warn!(call = %self.order.uuid, %error, "A new offer cannot be used; refused.");
                    Err(error.status().as_u16())
                }
            },
        };
        let answer = answer.map(|text| Arc::from(text.into_bytes()));
        if let Err(error) = self.line.answer_offer(answer).await {
            debug!(call = %self.order.uuid, %error, "The offer was withdrawn.");
        }
    }

    fn configure(&mut self, agreed: Agreed) {
        info!(call = %self.order.uuid, media = %agreed.summary, "Audio is agreed on.");
        let control = &self.stream.control;
        let done = match agreed.media {
            Some(media) => {
                control.configure(media).and_then(|()| control.set_direction(agreed.direction))
            }
            None => control.set_direction(Direction::Inactive),
        };
        if let Err(error) = done {
            warn!(call = %self.order.uuid, %error, "The audio stream does not follow.");
        }
    }

    fn heard_media(&mut self, event: MediaEvent) {
        let now = self.ms(self.shared.clock.now());
        match event {
            MediaEvent::Frame(frame) => self.heard_frame(now, &frame),
            MediaEvent::DigitsSent { at_ms } => self.keys_sent(at_ms),
            MediaEvent::DigitsRefused { error } => {
                warn!(call = %self.order.uuid, %error, "Keys were not sent.");
                self.keys_sent(now);
            }
            MediaEvent::FirstPacket { source, at_ms } => {
                debug!(call = %self.order.uuid, %source, at_ms, "First packet of audio.");
            }
            MediaEvent::NoPackets { since_ms } => {
                warn!(
                    call = %self.order.uuid, since_ms,
                    "No audio arrives. Is the address in our SDP one that the carrier can reach \
                     (sip.advertise), and are the ports of [media] open?"
                );
            }
            MediaEvent::Digit { digit, at_ms, .. } => {
                debug!(call = %self.order.uuid, %digit, at_ms, "The far end pressed a key.");
            }
            MediaEvent::Played { .. } => {}
            MediaEvent::Closed { stats } => {
                debug!(call = %self.order.uuid, ?stats, "The audio stream is closed.");
            }
        }
    }

    fn heard_frame(&mut self, now: CallMs, frame: &Frame) {
        self.recording.frame(frame);
        if let Some(ear) = &mut self.ear {
            ear.push(frame.at_ms, &frame.received);
        }
        match self.detector.push(frame.at_ms, &frame.received) {
            Some(SpeechChange::Started { at_ms }) => {
                self.answer.handle_speech_started(now, at_ms);
                self.tell_pilot(now, Heard::SpeechStarted { at: at_ms });
            }
            Some(SpeechChange::Ended { at_ms }) => {
                self.answer.handle_speech_ended(now, at_ms);
                self.tell_pilot(now, Heard::SpeechEnded { at: at_ms });
            }
            None => {}
        }
        self.detectors.push(frame.at_ms, &frame.received);
        while let Some(event) = self.detectors.poll_event() {
            let (sound, from_ms, to_ms) = (event.sound, event.from_ms, event.to_ms);
            debug!(call = %self.order.uuid, ?sound, from_ms, ?to_ms, dbov = event.dbov, "Sound.");
            self.answer.handle_sound(now, &event);
            self.tell_pilot(now, Heard::Sound(event));
        }
        self.tell_party(now);
    }

    /// Passes on who answered, if there is news of it.
    fn tell_party(&mut self, now: CallMs) {
        if let Some(verdict) = self.answer.poll_verdict() {
            let (party, evidence) = (verdict.party, verdict.evidence);
            info!(call = %self.order.uuid, ?party, ?evidence, at_ms = verdict.at_ms, "Who answered.");
            self.tell_pilot(now, Heard::Party(verdict));
        }
    }

    fn heard_words(&mut self, event: SpeechEvent) {
        match &event {
            SpeechEvent::Interim(transcript) | SpeechEvent::Final(transcript) => {
                let is_final = matches!(event, SpeechEvent::Final(_));
                let text = transcript.text();
                if is_final {
                    debug!(call = %self.order.uuid, %text, "Heard.");
                }
                self.tell(What::Words { text, is_final });
            }
            SpeechEvent::HeardUntil(_) => {}
            SpeechEvent::Dropped { from_ms, to_ms } => {
                warn!(
                    call = %self.order.uuid, from_ms, to_ms,
                    "Recognition fell behind and audio was dropped; give speech.workers more \
                     threads or crawl.max_concurrent_calls fewer calls."
                );
            }
            SpeechEvent::Failed { message } => {
                warn!(call = %self.order.uuid, %message, "Recognition failed; the call goes on.");
            }
        }
        let now = self.ms(self.shared.clock.now());
        self.answer.handle_speech(now, &event);
        self.tell_party(now);
        // Words of a phrase that goes on tell who answered; a pilot decides by whole phrases.
        if !matches!(event, SpeechEvent::Interim(_)) {
            self.pilot.handle(now, Heard::Speech(event));
        }
    }

    fn tell_pilot(&mut self, now: CallMs, heard: Heard) {
        if self.hang_up.is_none() {
            self.pilot.handle(now, heard);
        }
    }

    fn tell(&self, what: What) {
        self.shared.live.tell(LiveEvent {
            call: self.order.uuid,
            number: self.order.number.as_str().to_owned(),
            scan: self.order.scan.map(|scan| scan.0),
            at_ms: self.ms(self.shared.clock.now()),
            what,
        });
    }

    /// A moment on the call's clock.
    fn ms(&self, at: Instant) -> CallMs {
        let since = at.saturating_duration_since(self.opened);
        CallMs::try_from(since.as_millis()).unwrap_or(CallMs::MAX)
    }

    fn instant(&self, ms: CallMs) -> Instant {
        self.opened + Duration::from_millis(ms.into())
    }
}
