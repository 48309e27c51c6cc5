//! Cuts a call's audio into pieces of speech at its pauses.
//!
//! A recogniser wants whole phrases and wants them soon. A piece therefore ends at a pause, the
//! longer it has become at the shorter a pause, and it never outgrows what the model can hear at
//! once. Whether a frame is speech, an [`Activity`] says.

use std::collections::VecDeque;

use super::CallMs;

/// Samples per second of telephone audio.
pub const RATE: usize = 8000;

/// Milliseconds of the frames in which speech is told from silence.
pub(super) const FRAME_MS: u32 = 20;

/// Samples in such a frame.
pub const FRAME: usize = RATE / 1000 * FRAME_MS as usize;

/// Audio before the first and after the last frame of speech that belongs to a piece: soft
/// beginnings and ends of words.
pub(super) const MARGIN_MS: u32 = 240;

/// The pause that ends a piece, by the length that it has reached: the first row whose length is
/// not reached decides.
const PAUSES: [(u32, u32); 5] =
    [(4_000, 700), (12_000, 600), (18_000, 400), (24_000, 240), (LONGEST_MS, 120)];

/// A piece is cut here at the latest; the model hears 30 s, margins included.
pub(super) const LONGEST_MS: u32 = 28_000;

/// How far back the quietest place is looked for when a piece has become too long.
const CUT_BACK_MS: u32 = 4_000;

/// Frames of speech that a piece has at least; less is a click.
const FEWEST_FRAMES: usize = 5;

/// A gap in the frames' times up to which the audio counts as lost and is replaced by silence; a
/// longer one ends the piece.
const LONGEST_GAP_MS: u32 = 1_000;

/// Tells speech from silence.
pub trait Activity: Send {
    /// Whether the next 20 ms (160 samples) are speech, or anything else that is not silence.
    fn is_active(&mut self, frame: &[i16]) -> bool;
}

impl<A: Activity + ?Sized> Activity for Box<A> {
    fn is_active(&mut self, frame: &[i16]) -> bool {
        (**self).is_active(frame)
    }
}

/// A stretch of audio to be recognised by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// When its first sample was heard.
    pub from_ms: CallMs,
    /// Linear samples at 8 kHz.
    pub samples: Vec<i16>,
}

impl Piece {
    /// When its last sample was heard.
    pub fn to_ms(&self) -> CallMs {
        self.from_ms.saturating_add(milliseconds(self.samples.len()))
    }
}

/// Cuts one call's audio. Owned by the call's ear.
pub struct Cutter<A> {
    activity: A,
    /// Samples that do not fill a frame yet.
    partial: Vec<i16>,
    /// Audio that may still become part of a piece, and what is known of its frames.
    held: VecDeque<i16>,
    levels: VecDeque<u64>,
    /// When the first sample of `held` was heard.
    held_from_ms: CallMs,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was heard yet: the clock is unknown.
    Fresh,
    /// Only the margin before a piece is held.
    Silent,
    /// A piece is being collected.
    Speaking {
        /// Frames of speech in it.
        active: usize,
        /// Frames of silence at its end.
        silent: u32,
    },
}

impl<A: Activity> Cutter<A> {
    /// A cutter that has heard nothing.
    pub fn new(activity: A) -> Self {
        Self {
            activity,
            partial: Vec::with_capacity(FRAME),
            held: VecDeque::new(),
            levels: VecDeque::new(),
            held_from_ms: 0,
            state: State::Fresh,
        }
    }

    /// Takes the samples heard at `at_ms`, any number of them; complete pieces go to `cut`.
    ///
    /// Audio that overlaps what was heard already is left out. A short gap counts as silence.
    pub fn push(&mut self, at_ms: CallMs, samples: &[i16], mut cut: impl FnMut(Piece)) {
        if self.state == State::Fresh {
            self.held_from_ms = at_ms;
            self.state = State::Silent;
        }
        let mut samples = samples;
        let now = self.now_ms();
        if at_ms > now.saturating_add(LONGEST_GAP_MS) {
            self.finish().into_iter().for_each(&mut cut);
            self.restart(at_ms);
        } else if at_ms >= now.saturating_add(FRAME_MS) {
            // Rounding and jitter of a packet are not worth a gap.
            let lost = (at_ms - now) as usize * (RATE / 1000);
            self.take(&vec![0; lost], &mut cut);
        } else if now >= at_ms.saturating_add(FRAME_MS) {
            let heard = (now - at_ms) as usize * (RATE / 1000);
            samples = samples.get(heard..).unwrap_or_default();
        }
        self.take(samples, &mut cut);
    }

    /// Cuts now, in the middle of speech if need be; what was heard so far is settled then.
    ///
    /// Only a sound that has just begun, too short to be a word, is kept for what follows it.
    pub fn flush(&mut self) -> Option<Piece> {
        match self.state {
            State::Fresh => None,
            State::Silent => {
                self.restart(self.now_ms());
                None
            }
            State::Speaking { active, .. } if active < FEWEST_FRAMES => None,
            State::Speaking { .. } => {
                let from_ms = self.held_from_ms;
                let mut samples: Vec<i16> = self.held.drain(..).collect();
                samples.append(&mut self.partial);
                let piece = Piece { from_ms, samples };
                self.restart(piece.to_ms());
                Some(piece)
            }
        }
    }

    /// As [`Cutter::flush`], when no more audio will come: settles everything.
    pub fn finish(&mut self) -> Option<Piece> {
        let piece = self.flush();
        if self.state != State::Fresh {
            self.restart(self.now_ms());
        }
        piece
    }

    /// What is being collected so far, without ending it; none between pieces.
    pub fn peek(&self) -> Option<Piece> {
        self.is_speaking().then(|| Piece {
            from_ms: self.held_from_ms,
            samples: self.held.iter().chain(&self.partial).copied().collect(),
        })
    }

    /// No piece to come begins before this time.
    pub fn settled_until(&self) -> CallMs {
        self.held_from_ms
    }

    /// Whether a piece is being collected.
    pub fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking { .. })
    }

    /// When the next sample is due.
    pub fn now_ms(&self) -> CallMs {
        self.held_from_ms.saturating_add(milliseconds(self.held.len() + self.partial.len()))
    }

    fn restart(&mut self, at_ms: CallMs) {
        self.partial.clear();
        self.held.clear();
        self.levels.clear();
        self.held_from_ms = at_ms;
        self.state = State::Silent;
    }

    fn take(&mut self, mut samples: &[i16], cut: &mut impl FnMut(Piece)) {
        while !samples.is_empty() {
            let wanted = FRAME.saturating_sub(self.partial.len()).min(samples.len());
            let (now, later) = samples.split_at(wanted);
            self.partial.extend_from_slice(now);
            samples = later;
            if self.partial.len() >= FRAME {
                self.frame().into_iter().for_each(&mut *cut);
            }
        }
    }

    /// Takes the frame that has just become full.
    fn frame(&mut self) -> Option<Piece> {
        let is_active = self.activity.is_active(&self.partial);
        self.held.extend(self.partial.iter().copied());
        self.levels.push_back(level(&self.partial));
        self.partial.clear();
        match &mut self.state {
            State::Fresh | State::Silent if is_active => {
                self.state = State::Speaking { active: 1, silent: 0 };
                None
            }
            State::Fresh | State::Silent => {
                self.keep_last(MARGIN_MS);
                None
            }
            State::Speaking { active, silent } => {
                if is_active {
                    *active += 1;
                    *silent = 0;
                } else {
                    *silent += 1;
                }
                let (active, silent) = (*active, *silent);
                let length = milliseconds(self.held.len());
                let pause = PAUSES.iter().find(|(below, _)| length < *below).map(|(_, ms)| *ms);
                match pause {
                    Some(pause) if silent * FRAME_MS < pause => None,
                    Some(_) => self.close(active, silent),
                    None => Some(self.cut_at_quietest(active)),
                }
            }
        }
    }

    /// Ends the piece that is being collected; none if it was only a click.
    fn close(&mut self, active: usize, silent: u32) -> Option<Piece> {
        let surplus = (silent * FRAME_MS).saturating_sub(MARGIN_MS);
        let length = self.held.len().saturating_sub(samples(surplus));
        let piece = (active >= FEWEST_FRAMES).then(|| Piece {
            from_ms: self.held_from_ms,
            samples: self.held.iter().take(length).copied().collect(),
        });
        // What was not taken may be the beginning of the next word.
        self.release(if piece.is_some() { length / FRAME * FRAME } else { 0 });
        self.state = State::Silent;
        self.keep_last(MARGIN_MS);
        piece
    }

    /// Ends a piece that has become too long where it is softest, and goes on with the rest.
    fn cut_at_quietest(&mut self, active: usize) -> Piece {
        let back = (CUT_BACK_MS / FRAME_MS) as usize;
        let first = self.levels.len().saturating_sub(back);
        let quietest = self.levels.iter().enumerate().skip(first).min_by_key(|(_, level)| **level);
        let length = quietest.map_or(self.held.len(), |(index, _)| (index + 1) * FRAME);
        let taken = self.held.iter().take(length).copied().collect();
        let piece = Piece { from_ms: self.held_from_ms, samples: taken };
        self.release(length);
        self.state = State::Speaking { active: active.min(self.levels.len()), silent: 0 };
        piece
    }

    fn keep_last(&mut self, ms: u32) {
        self.release(self.held.len().saturating_sub(samples(ms)));
    }

    /// Forgets the oldest samples, whole frames of them.
    fn release(&mut self, count: usize) {
        let frames = (count / FRAME).min(self.levels.len());
        let count = (frames * FRAME).min(self.held.len());
        self.levels.drain(..frames);
        self.held.drain(..count);
        self.held_from_ms = self.held_from_ms.saturating_add(milliseconds(count));
    }
}

fn milliseconds(samples: usize) -> u32 {
    u32::try_from(samples / (RATE / 1000)).unwrap_or(u32::MAX)
}

fn samples(ms: u32) -> usize {
    ms as usize * (RATE / 1000)
}

/// Energy of a frame, for comparing only.
fn level(frame: &[i16]) -> u64 {
    frame.iter().map(|&s| u64::from(s.unsigned_abs()).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every frame that is not all zero is speech.
    struct NotZero;

    impl Activity for NotZero {
        fn is_active(&mut self, frame: &[i16]) -> bool {
            frame.iter().any(|&s| s != 0)
        }
    }

    /// Stretches of sound (true) and silence in milliseconds, pushed in frames of 20 ms.
    fn cut(stretches: &[(bool, u32)]) -> (Vec<Piece>, Cutter<NotZero>) {
        let mut cutter = Cutter::new(NotZero);
        let mut pieces = Vec::new();
        let mut at = 0;
        for &(sound, ms) in stretches {
            for _ in 0..ms / 20 {
                cutter.push(at, &[if sound { 1000 } else { 0 }; 160], |p| pieces.push(p));
                at += 20;
            }
        }
        (pieces, cutter)
    }

    #[test]
    fn a_phrase_is_cut_with_its_margins_when_the_pause_is_long_enough() {
        let (pieces, cutter) = cut(&[(false, 1000), (true, 800), (false, 700)]);
        assert_eq!(pieces.len(), 1);
        assert_eq!((pieces[0].from_ms, pieces[0].to_ms()), (760, 2040));
        assert!(!cutter.is_speaking());
        let (pieces, cutter) = cut(&[(false, 1000), (true, 800), (false, 680)]);
        assert!(pieces.is_empty() && cutter.is_speaking());
        assert_eq!(cutter.settled_until(), 760);
    }

    #[test]
    fn short_pauses_do_not_part_a_phrase() {
        let (pieces, _) = cut(&[(true, 500), (false, 300), (true, 500), (false, 800)]);
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].from_ms, 0);
    }

    #[test]
    fn a_click_is_no_piece() {
        let (pieces, cutter) = cut(&[(false, 200), (true, 80), (false, 1000)]);
        assert!(pieces.is_empty());
        assert_eq!(cutter.settled_until(), 1280 - MARGIN_MS);
    }

    #[test]
    fn endless_sound_is_cut_before_the_model_is_full_and_nothing_is_lost() {
        let (pieces, mut cutter) = cut(&[(true, 70_000)]);
        assert!(pieces.iter().all(|p| p.samples.len() <= samples(LONGEST_MS)));
        let last = cutter.flush().unwrap();
        let ends = pieces.iter().chain([&last]);
        ends.fold(0, |at, piece| {
            assert_eq!(piece.from_ms, at);
            piece.to_ms()
        });
        assert_eq!(last.to_ms(), 70_000);
    }

    #[test]
    fn a_too_long_piece_is_cut_where_it_is_softest() {
        let mut cutter = Cutter::new(NotZero);
        let mut pieces = Vec::new();
        for at in (0..28_000).step_by(20) {
            let value = if at == 26_000 { 10 } else { 1000 };
            cutter.push(at, &[value; 160], |p| pieces.push(p));
        }
        assert_eq!(pieces.iter().map(Piece::to_ms).collect::<Vec<_>>(), [26_020]);
    }

    #[test]
    fn a_peek_changes_nothing() {
        let (_, mut cutter) = cut(&[(false, 400), (true, 1000)]);
        let peeked = cutter.peek().unwrap();
        assert_eq!((peeked.from_ms, peeked.to_ms()), (160, 1400));
        assert_eq!(cutter.flush(), Some(peeked));
        assert_eq!(cutter.peek(), None);
    }

    #[test]
    fn flush_cuts_in_the_middle_of_a_phrase_and_is_silent_otherwise() {
        let (pieces, mut cutter) = cut(&[(true, 400)]);
        assert!(pieces.is_empty());
        assert_eq!(cutter.flush().unwrap().to_ms(), 400);
        assert_eq!((cutter.flush(), cutter.settled_until()), (None, 400));
    }

    #[test]
    fn settled_time_follows_the_frames_through_silence() {
        let (_, cutter) = cut(&[(false, 5000)]);
        assert_eq!(cutter.settled_until(), 5000 - MARGIN_MS);
    }

    #[test]
    fn lost_packets_are_silence_and_late_ones_are_left_out() {
        let mut cutter = Cutter::new(NotZero);
        cutter.push(0, &[5; 160], |_| ());
        cutter.push(60, &[5; 160], |_| ());
        cutter.push(60, &[5; 160], |_| ());
        assert_eq!(cutter.now_ms(), 80);
        let mut pieces = Vec::new();
        cutter.push(9000, &[0; 160], |p| pieces.push(p));
        assert_eq!(cutter.now_ms(), 9020);
        assert!(pieces.is_empty(), "two frames are a click");
    }

    proptest! {
        #[test]
        fn pieces_are_in_order_without_overlap_whatever_comes(
            frames in prop::collection::vec((0u32..3000, any::<bool>(), 0usize..500), 0..400),
        ) {
            let mut cutter = Cutter::new(NotZero);
            let mut end = 0;
            let mut at = 0;
            let mut sound = Vec::new();
            for (step, active, length) in frames {
                at += step / 10 + if step > 2990 { 3000 } else { 0 };
                let samples = vec![if active { 900 } else { 0 }; length];
                let before = cutter.settled_until();
                cutter.push(at, &samples, |piece| sound.push((before, piece)));
            }
            let flushed = cutter.flush();
            let settled = cutter.settled_until();
            sound.extend(flushed.map(|piece| (settled, piece)));
            for (_, piece) in &sound {
                prop_assert!(piece.from_ms >= end);
                prop_assert!(piece.samples.len() <= samples(LONGEST_MS) + FRAME);
                end = piece.to_ms();
            }
        }
    }
}
