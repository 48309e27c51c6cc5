//! The audio of a call that a service has not told all words of yet, so that it can be sent again
//! on another connection.

use std::{collections::VecDeque, ops::Range};

use crate::speech::{
    CallMs,
    activity::Level,
    cutter::{Activity as _, FRAME, FRAME_MS, RATE},
};

/// Samples per millisecond.
const PER_MS: usize = RATE / 1000;

/// Sound that follows this soon belongs to the sound before.
const JOIN_MS: CallMs = 200;

/// Audio without gaps, from some time on the call's clock to another, and where in it sound is.
#[derive(Debug)]
pub struct Tape {
    from_ms: CallMs,
    samples: VecDeque<i16>,
    longest_ms: CallMs,
    level: Level,
    /// What has not filled a frame yet.
    frame: Vec<i16>,
    /// Stretches with sound, in order, apart by more than [`JOIN_MS`].
    sounds: VecDeque<Range<CallMs>>,
}

impl Tape {
    /// An empty tape that keeps at most `longest_ms`.
    pub fn new(longest_ms: CallMs) -> Self {
        Self {
            from_ms: 0,
            samples: VecDeque::new(),
            longest_ms,
            level: Level::new(),
            frame: Vec::with_capacity(FRAME),
            sounds: VecDeque::new(),
        }
    }

    /// Where it begins.
    pub fn begins(&self) -> CallMs {
        self.from_ms
    }

    /// Where it ends.
    pub fn ends(&self) -> CallMs {
        self.from_ms.saturating_add((self.samples.len() / PER_MS) as CallMs)
    }

    /// Appends samples heard at `at_ms`. What is missing in between becomes silence, and what is
    /// there already stays. When the tape is too long, its beginning is forgotten.
    pub fn push(&mut self, at_ms: CallMs, samples: &[i16]) {
        if self.samples.is_empty() && self.sounds.is_empty() && self.frame.is_empty() {
            self.from_ms = at_ms;
        }
        self.silence_until(at_ms);
        let known = (self.ends().saturating_sub(at_ms) as usize * PER_MS).min(samples.len());
        for sample in samples.iter().skip(known) {
            self.append(*sample);
        }
        self.shorten();
    }

    /// Appends silence up to this time.
    pub fn silence_until(&mut self, at_ms: CallMs) {
        let gap = at_ms.saturating_sub(self.ends());
        // More than the tape holds is not written only to be forgotten.
        let skipped = gap.saturating_sub(self.longest_ms);
        if skipped > 0 {
            self.forget_before(self.ends());
            self.from_ms = self.from_ms.saturating_add(skipped);
        }
        for _ in 0..(gap - skipped) as usize * PER_MS {
            self.append(0);
        }
        self.shorten();
    }

    fn append(&mut self, sample: i16) {
        self.samples.push_back(sample);
        self.frame.push(sample);
        if self.frame.len() < FRAME {
            return;
        }
        if self.level.is_active(&self.frame) {
            let to = self.ends();
            let from = to.saturating_sub(FRAME_MS);
            match self.sounds.back_mut() {
                Some(last) if from <= last.end.saturating_add(JOIN_MS) => last.end = to,
                Some(_) | None => self.sounds.push_back(from..to),
            }
        }
        self.frame.clear();
    }

    fn shorten(&mut self) {
        let to = self.ends();
        if to - self.from_ms > self.longest_ms {
            self.forget_before(to - self.longest_ms);
        }
    }

    /// Forgets what is earlier.
    pub fn forget_before(&mut self, at_ms: CallMs) {
        let at_ms = at_ms.min(self.ends());
        let gone = at_ms.saturating_sub(self.from_ms);
        self.samples.drain(..(gone as usize * PER_MS).min(self.samples.len()));
        self.from_ms += gone;
        self.forget_sound_before(at_ms, 0);
    }

    /// Forgets only that there was sound before this: it has been recognised. So is sound that ended
    /// within `tail_ms` after it, if it is over.
    pub fn forget_sound_before(&mut self, at_ms: CallMs, tail_ms: CallMs) {
        let (end, now) = (at_ms.saturating_add(tail_ms), self.ends());
        let is_known = |sound: &Range<CallMs>| {
            sound.end <= at_ms || (sound.end <= end && sound.end.saturating_add(JOIN_MS) < now)
        };
        while self.sounds.front().is_some_and(is_known) {
            self.sounds.pop_front();
        }
        if let Some(first) = self.sounds.front_mut() {
            first.start = first.start.max(at_ms);
        }
    }

    /// Where the first and the last sound is.
    pub fn sound(&self) -> Option<Range<CallMs>> {
        Some(self.sounds.front()?.start..self.sounds.back()?.end)
    }

    /// The samples between two times, as far as they are there.
    pub fn samples(&self, from_ms: CallMs, to_ms: CallMs) -> Vec<i16> {
        let place = |at: CallMs| {
            (at.saturating_sub(self.from_ms) as usize * PER_MS).min(self.samples.len())
        };
        let (from, to) = (place(from_ms), place(to_ms));
        self.samples.range(from.min(to)..to).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loud(ms: usize) -> Vec<i16> {
        (0..ms * PER_MS).map(|n| if n % 16 < 8 { 4000 } else { -4000 }).collect()
    }

    #[test]
    fn gaps_become_silence_and_what_is_there_already_stays() {
        let mut tape = Tape::new(10_000);
        tape.push(100, &[7; 160]);
        tape.push(160, &[8; 160]);
        tape.push(170, &[9; 160]);
        assert_eq!((tape.begins(), tape.ends()), (100, 190));
        assert_eq!(tape.samples(110, 165)[..80], [7; 80]);
        assert_eq!(tape.samples(120, 160), vec![0; 320]);
        assert_eq!(tape.samples(160, 180), vec![8; 160]);
        assert_eq!(tape.samples(180, 999), vec![9; 80]);
    }

    #[test]
    fn it_is_never_longer_than_it_may_be() {
        let mut tape = Tape::new(1_000);
        tape.push(0, &loud(400));
        tape.silence_until(1_300);
        assert_eq!((tape.begins(), tape.ends()), (300, 1_300));
        tape.push(CallMs::MAX - 100, &[1; 160]);
        assert_eq!(tape.ends(), CallMs::MAX - 80);
        assert!(tape.samples.len() <= 8_000);
    }

    #[test]
    fn it_knows_where_sound_is_until_that_is_forgotten() {
        let mut tape = Tape::new(10_000);
        assert_eq!(tape.sound(), None);
        tape.push(0, &[0; 1600]);
        tape.push(200, &loud(300));
        tape.silence_until(1_000);
        tape.push(1_000, &loud(100));
        let sound = tape.sound().unwrap();
        assert!(sound.start >= 200 && sound.start <= 260, "{sound:?}");
        assert_eq!(sound.end, 1_100);
        tape.forget_sound_before(300, 300);
        assert!(tape.sound().unwrap().start >= 1_000, "its tail is forgotten too");
        tape.forget_sound_before(900, 0);
        assert!(tape.sound().unwrap().start >= 1_000);
        tape.forget_before(1_100);
        assert_eq!((tape.sound(), tape.begins()), (None, 1_100));
    }
}
