//! Keys as tones in the sound (ITU-T Q.23), for peers that offer no telephone-event.
//!
//! The levels are those of telephones: −10 dBm0 for the row and −8 dBm0 for the column, which long
//! lines weaken more (ETSI ES 201 235-2 §4.2.2). The ends are rounded, so that they do not click.

use std::collections::VecDeque;

use super::{
    DtmfDigit,
    events::{MAX_GAP_MS, MAX_QUEUED_DIGITS, MAX_TONE_MS, PressError},
};
use crate::{
    FRAME_MS, SAMPLE_RATE, SAMPLES_PER_MS, Samples,
    detect::dtmf::{COLUMNS_HZ, ROWS_HZ},
};

/// Peak amplitudes of the two tones. A full-scale sine is 3.17 dBm0 (G.711).
const ROW_PEAK: f32 = 7190.0;
const COLUMN_PEAK: f32 = 9052.0;

/// Rise and fall of a tone.
const RAMP: u32 = 3 * SAMPLES_PER_MS;

/// Row and column of each event code.
const PLACES: [(u8, u8); 16] = [
    (3, 1),
    (0, 0),
    (0, 1),
    (0, 2),
    (1, 0),
    (1, 1),
    (1, 2),
    (2, 0),
    (2, 1),
    (2, 2),
    (3, 0),
    (3, 2),
    (0, 3),
    (1, 3),
    (2, 3),
    (3, 3),
];

/// Turns keys into sound. Owned by its stream, ends with it.
#[derive(Debug, Default)]
pub struct ToneSender {
    queue: VecDeque<Press>,
    current: Option<(Press, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Press {
    row: f32,
    column: f32,
    tone: u32,
    gap: u32,
}

impl ToneSender {
    /// Queues keys, each held for `tone_ms` (20 ms to [`MAX_TONE_MS`]) and followed by `gap_ms` (to
    /// [`MAX_GAP_MS`]) of silence; values outside are moved to the limit.
    ///
    /// # Errors
    /// [`PressError::TooMany`] if more than [`MAX_QUEUED_DIGITS`] would wait; none is queued then.
    pub fn press(
        &mut self,
        digits: &[DtmfDigit],
        tone_ms: u32,
        gap_ms: u32,
    ) -> Result<(), PressError> {
        if self.queue.len() + digits.len() > MAX_QUEUED_DIGITS {
            return Err(PressError::TooMany(digits.len()));
        }
        let tone = tone_ms.clamp(FRAME_MS, MAX_TONE_MS) * SAMPLES_PER_MS;
        let gap = gap_ms.min(MAX_GAP_MS) * SAMPLES_PER_MS;
        self.queue.extend(digits.iter().filter_map(|digit| {
            let (row, column) = PLACES.get(usize::from(digit.event_code()))?;
            let row = *ROWS_HZ.get(usize::from(*row))?;
            let column = *COLUMNS_HZ.get(usize::from(*column))?;
            Some(Press { row, column, tone, gap })
        }));
        Ok(())
    }

    /// True while a key sounds, its pause lasts, or one waits.
    pub fn is_busy(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty()
    }

    /// Replaces a frame by the sound of the keys, if there are any. Says whether it did; call
    /// [`ToneSender::is_busy`] to know whether that was the end.
    pub fn fill(&mut self, frame: &mut Samples) -> bool {
        if !self.is_busy() {
            return false;
        }
        for sample in frame {
            *sample = self.next_sample();
        }
        true
    }

    fn next_sample(&mut self) -> i16 {
        let (press, at) = match self.current {
            Some(current) => current,
            None => match self.queue.pop_front() {
                Some(press) => (press, 0),
                None => return 0,
            },
        };
        let next = at + 1;
        self.current = (next < press.tone + press.gap).then_some((press, next));
        if at >= press.tone {
            return 0;
        }
        let edge = at.min(press.tone - 1 - at).min(RAMP) as f32 / RAMP as f32;
        let turn = std::f32::consts::TAU * at as f32 / SAMPLE_RATE as f32;
        let wave = ROW_PEAK * (turn * press.row).sin() + COLUMN_PEAK * (turn * press.column).sin();
        (wave * edge).round() as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        SILENCE,
        detect::{Sound, dtmf::DtmfDetector},
    };

    #[test]
    fn every_key_that_is_sent_as_tones_is_heard_once() {
        let keys = DtmfDigit::parse_all("1234567890*#ABCD").unwrap();
        let mut sender = ToneSender::default();
        sender.press(&keys, 60, 50).unwrap();
        let (mut detector, mut heard, mut at_ms) = (DtmfDetector::default(), Vec::new(), 0);
        loop {
            let mut frame = SILENCE;
            let sounds = sender.fill(&mut frame);
            if let Some(event) = detector.push(at_ms, &frame)
                && event.to_ms.is_some()
                && let Sound::Key(digit) = event.sound
            {
                heard.push(digit);
            }
            at_ms += 20;
            if !sounds {
                break;
            }
        }
        assert_eq!(heard, keys);
    }

    #[test]
    fn no_more_keys_wait_than_the_limit() {
        let mut sender = ToneSender::default();
        sender.press(&[DtmfDigit::ZERO; MAX_QUEUED_DIGITS], 100, 100).unwrap();
        assert_eq!(sender.press(&[DtmfDigit::ZERO], 100, 100), Err(PressError::TooMany(1)));
    }
}
