//! Who decides in a call: the seam between the call's task, which owns signalling, media and
//! recognition, and what the call is for.
//!
//! A pilot does no I/O and reads no clock. A crawl's navigator is one; so is a plain call that only
//! listens; a call that walks a known menu and is then handed to a person will be another.

use phoneai_media::detect::SoundEvent;
use tokio::sync::watch;

use crate::{
    calls::{answer::Verdict, live::What},
    crawl::tree::{Change, Keys, NodeNo},
    speech::{CallMs, SpeechEvent},
};

/// What a pilot is told, in the order in which it happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// The far end took the call.
    Answered,
    /// Sound that may be speech began.
    SpeechStarted {
        /// Where, on the call's clock.
        at: CallMs,
    },
    /// It ended; pauses within words do not count.
    SpeechEnded {
        /// Where it truly ended, before the detector was sure.
        at: CallMs,
    },
    /// The recogniser told something.
    Speech(SpeechEvent),
    /// A detector heard what is no speech.
    Sound(SoundEvent),
    /// It is sure who answered, or a stronger sign corrects what was sure before.
    Party(Verdict),
    /// The keys asked for last have been sent, or could not be.
    KeysSent {
        /// The keys.
        keys: Keys,
        /// When the last one ended.
        at: CallMs,
    },
    /// The far end ended the call. Words of what was said before may still follow.
    HungUp,
    /// Everything that was said has been recognised, or never will be: nothing follows. Only what
    /// is to be stored or told is still done.
    Closed,
}

/// What a pilot wants done; done in order, and each completely before the next.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Press these keys.
    Press {
        /// The keys.
        keys: Keys,
        /// With tones and gaps of twice the usual length.
        slow: bool,
    },
    /// Have the recogniser hurry with what was said so far.
    Flush,
    /// Keep what is heard from this time on in a file of its own: a prompt begins.
    BeginPrompt {
        /// Where, on the call's clock; not after now.
        at: CallMs,
    },
    /// The prompt is over, and its file ends here.
    EndPrompt {
        /// Whose file it is; a file of nobody is deleted.
        node: Option<NodeNo>,
    },
    /// Wait until it is our turn to store something; other calls to the number store before.
    Wait(Turn),
    /// Have this on disk before anything else happens.
    Store(Change),
    /// Tell whoever watches.
    Tell(What),
    /// End the call; the text says why.
    HangUp(String),
}

/// A place in the order in which the calls to one number store what they learn.
#[derive(Clone, Debug)]
pub struct Turn {
    place: u64,
    stored: watch::Receiver<u64>,
}

impl Turn {
    /// The turn that has come when all before `place` is `stored`.
    pub fn new(place: u64, stored: watch::Receiver<u64>) -> Self {
        Self { place, stored }
    }

    /// Waits for it. A call that ends without storing leaves its place to the next.
    pub async fn wait(mut self) {
        // An error means that nobody is left who would store before us.
        let _ = self.stored.wait_for(|stored| *stored >= self.place).await;
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

/// Decides in one call. Owned by the call's task and gone with it.
pub trait Pilot: Send {
    /// Something happened at `now`.
    fn handle(&mut self, now: CallMs, heard: Heard);

    /// The time of `poll_timeout` has come.
    fn handle_timeout(&mut self, now: CallMs);

    /// What to do next, if anything.
    fn poll(&mut self) -> Option<Act>;

    /// When to call `handle_timeout`, if nothing happens before.
    fn poll_timeout(&self) -> Option<CallMs>;

    /// Where the recording of a prompt is that was kept by [`Act::EndPrompt`].
    fn recorded(&mut self, node: NodeNo, file: String) {
        let _ = (node, file);
    }
}

/// A pilot that only listens, for at most so long.
#[derive(Debug)]
pub struct Listener {
    until: CallMs,
    hang_up: Option<&'static str>,
}

impl Listener {
    /// Listens until the far end hangs up, or `until` on the call's clock.
    pub fn until(until: CallMs) -> Self {
        Self { until, hang_up: None }
    }
}

impl Pilot for Listener {
    fn handle(&mut self, _now: CallMs, _heard: Heard) {}

    fn handle_timeout(&mut self, now: CallMs) {
        if now >= self.until {
            self.until = CallMs::MAX;
            self.hang_up = Some("the longest time of a call is over");
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.hang_up.take().map(|why| Act::HangUp(why.to_owned()))
    }

    fn poll_timeout(&self) -> Option<CallMs> {
        (self.until != CallMs::MAX).then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_hangs_up_once_when_its_time_is_over() {
        let mut listener = Listener::until(5000);
        listener.handle(100, Heard::Answered);
        listener.handle_timeout(4999);
        assert_eq!((listener.poll(), listener.poll_timeout()), (None, Some(5000)));
        listener.handle_timeout(5000);
        assert!(matches!(listener.poll(), Some(Act::HangUp(_))));
        listener.handle_timeout(6000);
        assert_eq!((listener.poll(), listener.poll_timeout()), (None, None));
    }
}
