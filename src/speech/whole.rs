//! Cuts a whole recording into pieces that a recogniser can hear at once.
//!
//! A call is cut at each pause, since somebody waits for the words. For a recording nobody does, and
//! each cut costs words: the recogniser understands a phrase by those around it. So a recording is
//! cut as little as the recogniser's 30 s allow, and at the longest pauses; silence is left out.

use super::{
    CallMs,
    cutter::{Activity, FRAME, FRAME_MS, LONGEST_MS, MARGIN_MS, Piece, RATE},
};

/// Silence this long is left out: of it a recogniser only makes up words.
const LONG_SILENCE_MS: u32 = 3_000;

/// A piece that must be cut is not cut before this, so that the next has its phrases together.
const SHORTEST_MS: u32 = 10_000;

/// Frames of sound that a piece has at least; less is a click.
const FEWEST_FRAMES: usize = 5;

/// Cuts a recording of linear samples at 8 kHz. The pieces are in order and do not overlap; none is
/// longer than `LONGEST_MS`.
pub fn pieces(mut activity: impl Activity, samples: &[i16]) -> Vec<Piece> {
    let active: Vec<bool> = samples.chunks(FRAME).map(|frame| activity.is_active(frame)).collect();
    let mut pieces = Vec::new();
    for sound in sounds(&active) {
        let heard = active.get(sound.clone()).unwrap_or_default();
        if heard.iter().filter(|active| **active).count() >= FEWEST_FRAMES {
            cut(samples, &active, with_margins(sound, active.len()), &mut pieces);
        }
    }
    pieces
}

/// Frames from one to another.
type Range = std::ops::Range<usize>;

const MARGIN: usize = (MARGIN_MS / FRAME_MS) as usize;

/// Stretches with sound that no long silence parts.
fn sounds(active: &[bool]) -> Vec<Range> {
    let mut sounds: Vec<Range> = Vec::new();
    let active = active.iter().enumerate().filter(|(_, active)| **active);
    for (frame, _) in active {
        match sounds.last_mut() {
            Some(sound) if frame - sound.end < (LONG_SILENCE_MS / FRAME_MS) as usize => {
                sound.end = frame + 1;
            }
            Some(_) | None => sounds.push(frame..frame + 1),
        }
    }
    sounds
}

/// Long silences are longer than two margins: neighbours do not meet.
fn with_margins(sound: Range, frames: usize) -> Range {
    sound.start.saturating_sub(MARGIN)..(sound.end + MARGIN).min(frames)
}

/// Cuts a stretch until every part is short enough.
fn cut(samples: &[i16], active: &[bool], mut rest: Range, pieces: &mut Vec<Piece>) {
    let longest = (LONGEST_MS / FRAME_MS) as usize;
    while rest.len() > longest {
        let earliest = rest.start + (SHORTEST_MS / FRAME_MS) as usize;
        // A rest of a few words is worth no more than a piece: both halves have something then.
        let latest = (rest.start + longest).min(rest.end - MARGIN);
        let at = middle_of_longest_pause(active, earliest..latest)
            .unwrap_or_else(|| quietest(samples, latest.saturating_sub(QUIETEST_BACK)..latest));
        pieces.push(piece(samples, rest.start..at));
        rest.start = at;
    }
    pieces.push(piece(samples, rest));
}

/// How far back the quietest frame is looked for where there is no pause: 4 s.
const QUIETEST_BACK: usize = 4_000 / FRAME_MS as usize;

fn middle_of_longest_pause(active: &[bool], within: Range) -> Option<usize> {
    let first = within.start;
    let frames = active.get(within)?;
    let mut longest: Range = 0..0;
    let mut begin = 0;
    for (at, is_active) in frames.iter().chain([&true]).enumerate() {
        if *is_active {
            // Of two that are alike the later one leaves less to cut.
            if at - begin >= longest.len() {
                longest = begin..at;
            }
            begin = at + 1;
        }
    }
    (!longest.is_empty()).then(|| first + longest.start + longest.len().div_ceil(2))
}

fn quietest(samples: &[i16], within: Range) -> usize {
    let energy = |frame: &usize| {
        let from = frame * FRAME;
        let frame = samples.get(from..(from + FRAME).min(samples.len())).unwrap_or_default();
        frame.iter().map(|s| u64::from(s.unsigned_abs()).pow(2)).sum::<u64>()
    };
    let end = within.end;
    within.min_by_key(energy).map_or(end, |frame| frame + 1)
}

fn piece(samples: &[i16], frames: Range) -> Piece {
    let (from, to) = (frames.start * FRAME, (frames.end * FRAME).min(samples.len()));
    let from_ms = CallMs::try_from(from / (RATE / 1000)).unwrap_or(CallMs::MAX);
    Piece { from_ms, samples: samples.get(from..to).unwrap_or_default().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct NotZero;

    impl Activity for NotZero {
        fn is_active(&mut self, frame: &[i16]) -> bool {
            frame.iter().any(|&s| s != 0)
        }
    }

    /// Stretches of sound (true) and silence in milliseconds, to the places of the pieces.
    fn places(stretches: &[(bool, u32)]) -> Vec<(u32, u32)> {
        let samples: Vec<i16> = stretches
            .iter()
            .flat_map(|&(sound, ms)| vec![if sound { 1000 } else { 0 }; ms as usize * 8])
            .collect();
        pieces(NotZero, &samples).iter().map(|p| (p.from_ms, p.to_ms())).collect()
    }

    #[test]
    fn a_menu_is_one_piece_though_it_pauses() {
        let menu = [(false, 1000), (true, 4000), (false, 900), (true, 5000), (false, 2000)];
        assert_eq!(places(&menu), [(760, 11_140)]);
    }

    #[test]
    fn long_silence_and_clicks_are_left_out() {
        let parts = [(true, 1000), (false, 4000), (true, 60), (false, 4000), (true, 1000)];
        assert_eq!(places(&parts), [(0, 1240), (8820, 10_060)]);
    }

    #[test]
    fn what_is_too_long_is_cut_at_its_longest_pause() {
        let parts = [
            (true, 12_000),
            (false, 800),
            (true, 4000),
            (false, 300),
            (true, 8000),
            (false, 2000),
            (true, 15_000),
        ];
        // The pause of 2 s is longer still, and within the 28 s.
        assert_eq!(places(&parts), [(0, 26_100), (26_100, 42_100)]);
    }

    #[test]
    fn sound_without_a_pause_is_cut_where_it_is_softest() {
        let mut samples = vec![1000; 40_000 * 8];
        samples[26_000 * 8..26_020 * 8].fill(10);
        let places: Vec<_> =
            pieces(NotZero, &samples).iter().map(|p| (p.from_ms, p.to_ms())).collect();
        assert_eq!(places, [(0, 26_020), (26_020, 40_000)]);
    }

    #[test]
    fn nothing_has_no_pieces() {
        assert!(places(&[]).is_empty() && places(&[(false, 50_000)]).is_empty());
    }

    proptest! {
        #[test]
        fn pieces_are_short_enough_in_order_and_hold_all_that_is_heard(
            stretches in prop::collection::vec((any::<bool>(), 1u32..30_000), 0..20),
            odd in 0usize..FRAME,
        ) {
            let mut samples: Vec<i16> = stretches
                .iter()
                .flat_map(|&(sound, ms)| vec![if sound { 1000 } else { 0 }; ms as usize * 8])
                .collect();
            samples.extend(vec![1000; odd]);
            let found = pieces(NotZero, &samples);
            let mut end = 0;
            let mut held = 0;
            for piece in &found {
                prop_assert!(piece.from_ms >= end);
                prop_assert!(piece.samples.len() <= LONGEST_MS as usize * 8);
                end = piece.to_ms();
                held += piece.samples.iter().filter(|s| **s != 0).count();
            }
            let all = samples.iter().filter(|s| **s != 0).count();
            // Clicks of four frames may be left out.
            let clicks = stretches.len() + 1;
            prop_assert!(held + clicks * (FEWEST_FRAMES + 1) * FRAME >= all);
        }
    }
}
