//! The calls that come in: numbers that we answer ourselves, to try a phone, a trunk, or us.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use phoneai_clock::Clock;
use phoneai_media::{
    socket::{Direction, MediaEvent, MediaThreads, PortRange, Stream, StreamConfig},
    wav,
};
use phoneai_sip::{
    endpoint::{CallEvent, Header, Inbound, Sender},
    message::Uri,
    transport::udp::{Call, IncomingCall, Inlets},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::sync::watch;
use tracing::{debug, info};

use crate::{
    calls::{
        address_towards,
        agreement::{Agreed, Agreement},
    },
    config::TestNumbers,
};

/// A test call takes no longer: whoever forgets one does not keep its ports for ever.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// The silence between two runs of the recording.
const PAUSE: Duration = Duration::from_secs(1);
/// Samples of a second.
const RATE: u32 = 8_000;
/// The recording that is built in: an announcement of a sample menu.
const PROMPT: &[u8] = include_bytes!("../../sample_audio/harbor_electric/news.wav");

/// Why the recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// It cannot be read.
    #[error("test_numbers.prompt_file: {0}")]
    Read(#[from] wav::WavError),
    /// It is built in and damaged.
    #[error("the recording that is built in: {0}")]
    BuiltIn(#[from] wav::WavProblem),
    /// It has another rate than telephones.
    #[error(
        "test_numbers.prompt_file: {0} has {1} samples a second, not 8000; convert it, as with \
         `sox {0} -r 8000 -c 1 prompt.wav`"
    )]
    Rate(String, u32),
}

/// What is played to who calls one of our numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Echo,
    Prompt,
    Silence,
}

/// Answers calls. Copies are the same.
#[derive(Clone)]
pub struct Answering {
    shared: Arc<Shared>,
}

struct Shared {
    numbers: TestNumbers,
    prompt: Arc<[i16]>,
    media: MediaThreads,
    stream: StreamConfig,
    advertise: Option<IpAddr>,
    clock: Clock,
}

impl Answering {
    /// Answers the numbers with streams on `bind`. `advertise` is the address that stands in our
    /// descriptions; `None` for the one from which the caller is reached.
    ///
    /// # Errors
    /// If the recording cannot be played.
    pub fn new(
        numbers: TestNumbers,
        media: MediaThreads,
        (bind, ports): (IpAddr, PortRange),
        advertise: Option<IpAddr>,
        clock: Clock,
    ) -> Result<Self, PromptError> {
        let prompt = prompt(numbers.prompt_file.as_deref())?;
        let bound = (!bind.is_unspecified()).then_some(bind);
        let shared = Shared {
            numbers,
            prompt,
            media,
            stream: StreamConfig::new(bind, ports),
            advertise: advertise.or(bound),
            clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Takes calls until no more can come. When `stop` becomes true those that are up are ended,
    /// and while `halted` is true there are none.
    pub async fn run(
        self,
        mut inlets: Inlets,
        stop: watch::Receiver<bool>,
        halted: watch::Receiver<bool>,
    ) {
        while let Some(IncomingCall { call, request }) = inlets.incoming.recv().await {
            let busy = *stop.borrow() || *halted.borrow();
            let line = dialled(&request).and_then(|number| self.shared.line(&number));
            match line {
                Some(_) if busy => refuse(call, 503),
                None => refuse(call, 404),
                Some(line) => {
                    let (shared, stop, halted) =
                        (self.shared.clone(), stop.clone(), halted.clone());
                    tokio::spawn(async move {
                        let ends = ended([stop, halted]);
                        serve(&shared, line, call, &request, ends).await;
                    });
                }
            }
        }
    }
}

impl Shared {
    fn line(&self, number: &str) -> Option<Line> {
        let TestNumbers { echo, prompt, silence, prompt_file: _ } = &self.numbers;
        [(echo, Line::Echo), (prompt, Line::Prompt), (silence, Line::Silence)]
            .into_iter()
            .find(|(known, _)| *known == number && !number.is_empty())
            .map(|(_, line)| line)
    }
}

/// Refuses a call; its owner goes on at once.
fn refuse(call: Call, status: u16) {
    tokio::spawn(async move {
        let headers = match status {
            503 => vec![Header::new("Retry-After", "10")],
            _ => Vec::new(),
        };
        // An error means that the caller has given up.
        let _ = call.reject(status, headers).await;
    });
}

/// Completes when one of them becomes true, or can never change again.
async fn ended([mut a, mut b]: [watch::Receiver<bool>; 2]) {
    tokio::select! {
        _ = a.wait_for(|end| *end) => {}
        _ = b.wait_for(|end| *end) => {}
    }
}

/// The user part of the Request-URI.
fn dialled(request: &Inbound) -> Option<String> {
    let uri = Uri::parse(request.request_uri().as_bytes()).ok()?;
    uri.user_decoded().map(|user| user.into_owned())
}

async fn serve(
    shared: &Shared,
    line: Line,
    mut call: Call,
    request: &Inbound,
    ends: impl Future<Output = ()>,
) {
    let id = call.id();
    let caller = match &request.sender {
        Sender::Account(name) => name.as_str(),
        Sender::Trusted => "the trunk",
        Sender::Unproven => "anybody",
    };
    let stream = match shared.media.open(&shared.stream) {
        Ok(stream) => stream,
        Err(error) => {
            info!(call = %id, %error, "A call is refused.");
            let _ = call.reject(503, vec![Header::new("Retry-After", "10")]).await;
            return;
        }
    };
    let peer = request.flow.peer;
    let address = shared.advertise.or_else(|| address_towards(peer)).unwrap_or(peer.ip());
    let port = stream.local_addr.port();
    let session_id = StdRng::from_os_rng().random();
    let mut talk = Talk { agreement: Agreement::new(address, port, session_id), peer, stream };
    let Some(description) = talk.change(request.sdp().as_deref(), &call).await else { return };
    if call.accept(description).await.is_err() {
        return;
    }
    info!(call = %id, %caller, ?line, audio = %SocketAddr::new(address, port), "A test call.");
    tokio::select! {
        () = talk.live(shared, line, &mut call) => {}
        () = ends => {}
        () = shared.clock.sleep(LONGEST) => {}
    }
    debug!(call = %id, "The test call is over.");
    // Dropping the call hangs it up, if it is not over yet.
}

/// One call and its audio.
struct Talk {
    agreement: Agreement,
    peer: SocketAddr,
    stream: Stream,
}

impl Talk {
    /// Our description in answer to an offer, or an offer if there is none; refuses the call if
    /// the offer cannot be taken.
    async fn change(&mut self, offer: Option<&[u8]>, call: &Call) -> Option<Arc<[u8]>> {
        match self.answered(offer) {
            Ok(description) => Some(description),
            Err(status) => {
                let _ = call.reject(status, Vec::new()).await;
                None
            }
        }
    }

    fn answered(&mut self, offer: Option<&[u8]>) -> Result<Arc<[u8]>, u16> {
        let text = match offer {
            None => self.agreement.offer(),
            Some(offer) => match self.agreement.answer(offer, self.peer.ip()) {
                Ok((text, agreed)) => {
                    self.configure(agreed);
                    text
                }
                Err(error) => return Err(error.status().as_u16()),
            },
        };
        Ok(text.into_bytes().into())
    }

    fn configure(&self, agreed: Agreed) {
        let control = &self.stream.control;
        // Errors mean that the stream has ended, and the call with it.
        let _ = match agreed.media {
            Some(media) => {
                control.configure(media).and_then(|()| control.set_direction(agreed.direction))
            }
            None => control.set_direction(Direction::Inactive),
        };
    }

    /// Until the caller hangs up.
    async fn live(&mut self, shared: &Shared, line: Line, call: &mut Call) {
        let run = Duration::from_secs_f64(shared.prompt.len() as f64 / f64::from(RATE)) + PAUSE;
        let mut next = shared.clock.now();
        loop {
            tokio::select! {
                event = call.events.recv() => match event {
                    None | Some(CallEvent::Ended(_)) => return,
                    Some(event) => self.signalled(event, call).await,
                },
                // Nothing is waited for of the other lines: their frames need not wake anybody.
                event = self.stream.events.recv(), if line == Line::Echo => match event {
                    None => return,
                    Some(MediaEvent::Frame(frame)) => {
                        // A frame that finds no place is lost, as on any line.
                        let _ = self.stream.control.play(Arc::from(&frame.received[..]));
                    }
                    Some(_) => {}
                },
                () = shared.clock.sleep_until(next), if line == Line::Prompt => {
                    next += run;
                    let _ = self.stream.control.play(shared.prompt.clone());
                }
            }
        }
    }

    async fn signalled(&mut self, event: CallEvent, call: &Call) {
        match event {
            CallEvent::Offer { sdp } => {
                let answer = self.answered(sdp.as_deref());
                // An error means that the call has just ended, which its next event says.
                let _ = call.answer_offer(answer).await;
            }
            CallEvent::MediaAnswer { sdp } => {
                match self.agreement.read_answer(&sdp, self.peer.ip()) {
                    Ok(agreed) => self.configure(agreed),
                    Err(error) => {
                        debug!(call = %call.id(), %error, "The answer cannot be used.");
                        let _ = call.hangup(Vec::new()).await;
                    }
                }
            }
            CallEvent::Progress { .. }
            | CallEvent::Answered { .. }
            | CallEvent::OfferAnswered { .. }
            | CallEvent::OfferRefused { .. }
            | CallEvent::Info { .. }
            | CallEvent::Ended(_) => {}
        }
    }
}

fn prompt(file: Option<&Path>) -> Result<Arc<[i16]>, PromptError> {
    let audio = match file {
        Some(file) => wav::read(file)?,
        None => wav::parse(PROMPT)?,
    };
    match (file, audio.sample_rate) {
        (_, RATE) => Ok(audio.mono().into()),
        (file, rate) => {
            let name = file.map_or_else(String::new, |file| file.display().to_string());
            Err(PromptError::Rate(name, rate))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_that_is_built_in_can_be_played() {
        assert!(prompt(None).unwrap().len() > RATE as usize);
    }

    #[test]
    fn a_recording_of_another_rate_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 16_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&file, spec).unwrap();
        writer.write_sample(0i16).unwrap();
        writer.finalize().unwrap();
        let error = prompt(Some(&file)).unwrap_err().to_string();
        assert!(error.contains("16000") && error.contains("sox"), "{error}");
    }
}
