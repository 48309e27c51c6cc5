//! When to listen before a phrase is over.
//!
//! Who answered must be known within seconds, but a machine talks on, and a phrase is recognised only
//! when it ends. So the beginning of a call is recognised while it is being said, as an interim
//! result: once early, and once when another few words have been said.

use crate::speech::{
    CallMs,
    cutter::{Activity, Cutter, Piece},
};

/// How much of a phrase has been heard when it is looked at.
const LOOKS_MS: [u32; 2] = [1_900, 3_500];

/// Only phrases that begin so soon after the first are a greeting's.
const GREETING_MS: u32 = 4_000;

/// The looks of one call.
#[derive(Clone, Debug, Default)]
pub struct Greeting {
    /// When the first phrase began.
    first_ms: Option<CallMs>,
    /// Where the phrase begins that is being said, and how often it was looked at.
    phrase_ms: Option<CallMs>,
    looks: usize,
}

impl Greeting {
    /// What has been said so far, if it is time to look at it. To be asked after each frame.
    pub fn look<A: Activity>(&mut self, cutter: &Cutter<A>) -> Option<Piece> {
        if !cutter.is_speaking() {
            return None;
        }
        let from_ms = cutter.settled_until();
        let first_ms = *self.first_ms.get_or_insert(from_ms);
        if from_ms > first_ms.saturating_add(GREETING_MS) {
            return None;
        }
        if self.phrase_ms != Some(from_ms) {
            (self.phrase_ms, self.looks) = (Some(from_ms), 0);
        }
        let due = *LOOKS_MS.get(self.looks)?;
        if cutter.now_ms() < from_ms.saturating_add(due) {
            return None;
        }
        self.looks += 1;
        cutter.peek()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NotZero;

    impl Activity for NotZero {
        fn is_active(&mut self, frame: &[i16]) -> bool {
            frame.iter().any(|&s| s != 0)
        }
    }

    #[test]
    fn the_first_phrases_are_looked_at_twice_while_they_are_said() {
        let mut cutter = Cutter::new(NotZero);
        let mut greeting = Greeting::default();
        let mut looks = Vec::new();
        // Five seconds of talk from 1 s on, a pause, and talk again.
        for at in (0..20_000).step_by(20) {
            let talks = (1000..6000).contains(&at) || at > 8000;
            cutter.push(at, &[if talks { 900 } else { 0 }; 160], |_| ());
            looks.extend(greeting.look(&cutter).map(|piece| (piece.from_ms, piece.to_ms())));
        }
        assert_eq!(looks, [(760, 2660), (760, 4260)]);
    }
}
