//! Keys in the sound (ITU-T Q.23, Q.24).
//!
//! | Q.24, North America | limit | here |
//! |---|---|---|
//! | frequency | accept 1.5 % + 2 Hz, refuse 3.5 % | decided at 2.5 % |
//! | tone | accept 40 ms, refuse 23 ms | three whole steps of 10 ms |
//! | pause | accept 40 ms, bridge 10 ms | three steps without the tone |
//! | twist | high group 4 dB louder to 8 dB softer | one more each way |
//! | level | accept 0 to −25 dBm | −42 dBov (−36 dBm0) and up |
//!
//! Steps of 10 ms are correlated with the eight frequencies, and with the two that win the sound is
//! fitted exactly. What the fit does not explain tells speech from keys: it may be 20 % of the
//! power, which is noise 7 dB below. The phases of the steps tell the frequencies.

use std::sync::LazyLock;

use super::{Sound, SoundEvent};
use crate::{FRAME_SAMPLES, SAMPLE_RATE, Samples, StreamMs, dtmf::DtmfDigit};

/// The frequencies of rows and columns (Q.23).
pub const ROWS_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
/// The frequencies of columns.
pub const COLUMNS_HZ: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// The keys by row and column.
const KEYS: [[char; 4]; 4] =
    [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];

const STEP: usize = FRAME_SAMPLES / 2;
const STEP_MS: u32 = 10;
const TONES: usize = 8;

/// Steps that a key takes at least, and that end it.
const ON_STEPS: u32 = 3;
const OFF_STEPS: u32 = 3;

/// Decided between 1.5 % + 2 Hz and 3.5 %.
const OFF: f32 = 0.025;

/// The column's tone may be softer by this much (Q.24: 8 dB) ...
const TWIST_DB: f32 = 9.0;
/// ... or louder (Q.24: 4 dB).
const REVERSE_TWIST_DB: f32 = 5.0;

/// Softest tone of the two.
const FAINTEST_DBOV: f32 = -42.0;

/// Part of a step's power that the two tones explain. Keys that are 1.5 % off lose a sixth of the
/// column's, as they are fitted at the nominal frequencies.
const EXPLAINED: f32 = 0.8;

/// A step that is this part of the key's amplitude, or less, is an edge.
const EDGE: f32 = 0.6;

type Vector = (f32, f32);

struct Tables {
    /// cos and −sin of each tone at each sample of a step.
    cos: [[f32; TONES]; STEP],
    sin: [[f32; TONES]; STEP],
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let mut tables = Tables { cos: [[0.0; TONES]; STEP], sin: [[0.0; TONES]; STEP] };
    for (n, (cos, sin)) in tables.cos.iter_mut().zip(&mut tables.sin).enumerate() {
        let frequencies = ROWS_HZ.iter().chain(&COLUMNS_HZ);
        for ((cos, sin), hz) in cos.iter_mut().zip(sin).zip(frequencies) {
            let angle = turn(*hz) * n as f32;
            (*cos, *sin) = (angle.cos(), -angle.sin());
        }
    }
    tables
});

/// Radians of a frequency in a sample.
fn turn(hz: f32) -> f32 {
    std::f32::consts::TAU * hz / SAMPLE_RATE as f32
}

/// The detector for one side of one call.
#[derive(Clone, Debug, Default)]
pub struct DtmfDetector {
    run: Option<Run>,
    last_end: Option<StreamMs>,
}

/// Steps in a row that are one key.
#[derive(Clone, Copy, Debug)]
struct Run {
    row: usize,
    column: usize,
    from_ms: StreamMs,
    to_ms: StreamMs,
    /// Amplitude of the loudest step.
    most: f32,
    steps: u32,
    missing: u32,
    last: (Vector, Vector),
    /// Turns of phase summed as vectors: their angle is the mean distance from the frequency.
    row_turn: Vector,
    column_turn: Vector,
    dbov: f32,
    /// Told as begun.
    told: bool,
}

/// What one step holds.
#[derive(Clone, Copy, Debug)]
struct Found {
    row: usize,
    column: usize,
    vectors: (Vector, Vector),
    /// Mean squares of the two tones.
    powers: (f32, f32),
    amplitude: f32,
}

impl DtmfDetector {
    /// Takes the frame that begins at `at_ms`. A key is told when it is sure, and when it is over.
    pub fn push(&mut self, at_ms: StreamMs, frame: &Samples) -> Option<SoundEvent> {
        let mut event = None;
        for (half, step) in (0..).zip(frame.chunks_exact(STEP)) {
            let at = at_ms.saturating_add(half * STEP_MS);
            // Both halves telling something would take a key of 10 ms.
            event = self.step(at, look(step)).or(event);
        }
        event
    }

    /// When the last key ended that was heard, or how far the one that is held has come.
    pub fn last_key_end(&self) -> Option<StreamMs> {
        self.run.filter(|run| run.told).map(|run| run.to_ms).or(self.last_end)
    }

    fn step(&mut self, at_ms: StreamMs, found: Option<Found>) -> Option<SoundEvent> {
        let Some(run) = &mut self.run else {
            self.run = found.map(|found| Run::new(at_ms, &found));
            return None;
        };
        match found {
            Some(found)
                if (found.row, found.column) == (run.row, run.column)
                    && found.amplitude > run.most * EDGE =>
            {
                if !run.told && found.amplitude * EDGE > run.most {
                    // What was there was the edge.
                    *run = Run::new(at_ms, &found);
                    return None;
                }
                run.add(at_ms, &found);
                (!run.told && run.steps >= ON_STEPS && run.is_in_tune())
                    .then(|| {
                        run.told = true;
                        run.event(None)
                    })?
                    .into()
            }
            other => {
                run.missing += 1;
                if !run.told {
                    self.run = other.map(|found| Run::new(at_ms, &found));
                    return None;
                }
                let another = other.is_some_and(|f| (f.row, f.column) != (run.row, run.column));
                if run.missing < OFF_STEPS && !another {
                    return None;
                }
                let event = run.event(Some(run.to_ms));
                self.last_end = Some(run.to_ms);
                self.run = other.map(|found| Run::new(at_ms, &found));
                Some(event)
            }
        }
    }
}

impl Run {
    fn new(at_ms: StreamMs, found: &Found) -> Self {
        Self {
            row: found.row,
            column: found.column,
            from_ms: at_ms,
            to_ms: at_ms.saturating_add(STEP_MS),
            most: found.amplitude,
            steps: 1,
            missing: 0,
            last: found.vectors,
            row_turn: (0.0, 0.0),
            column_turn: (0.0, 0.0),
            dbov: level(found.powers.0 + found.powers.1),
            told: false,
        }
    }

    fn add(&mut self, at_ms: StreamMs, found: &Found) {
        if self.missing == 0 {
            let (row, column) = self.last;
            add(&mut self.row_turn, row, found.vectors.0);
            add(&mut self.column_turn, column, found.vectors.1);
        }
        self.last = found.vectors;
        self.to_ms = at_ms.saturating_add(STEP_MS);
        self.most = self.most.max(found.amplitude);
        self.steps += 1;
        self.missing = 0;
    }

    /// Whether both frequencies are as close as Q.24 asks.
    fn is_in_tune(&self) -> bool {
        let close = |turned: Vector, frequencies: &[f32; 4], which: usize| {
            let Some(hz) = frequencies.get(which) else { return false };
            let expected = turn(*hz) * STEP as f32;
            let off = wrapped(turned.1.atan2(turned.0) - expected);
            (off / std::f32::consts::TAU * 1000.0 / STEP_MS as f32).abs() <= hz * OFF
        };
        close(self.row_turn, &ROWS_HZ, self.row)
            && close(self.column_turn, &COLUMNS_HZ, self.column)
    }

    fn event(&self, to_ms: Option<StreamMs>) -> SoundEvent {
        let key = KEYS.get(self.row).and_then(|row| row.get(self.column)).copied().unwrap_or('0');
        // Every character of the table is a key.
        let digit = DtmfDigit::from_char(key).unwrap_or(DtmfDigit::ZERO);
        SoundEvent { sound: Sound::Key(digit), from_ms: self.from_ms, to_ms, dbov: self.dbov }
    }
}

/// The two tones of a step, if it is nothing else.
fn look(samples: &[i16]) -> Option<Found> {
    let (mut re, mut im) = ([0.0; TONES], [0.0; TONES]);
    let mut energy = 0.0;
    let tables = &*TABLES;
    for ((sample, cos), sin) in samples.iter().zip(&tables.cos).zip(&tables.sin) {
        let sample = f32::from(*sample) / 32768.0;
        energy += sample * sample;
        for tone in 0..TONES {
            re[tone] += sample * cos[tone];
            im[tone] += sample * sin[tone];
        }
    }
    let count = STEP as f32;
    let softest = 10f32.powf(FAINTEST_DBOV / 10.0);
    if energy < softest * count {
        return None;
    }
    let power = |tone: usize| re[tone] * re[tone] + im[tone] * im[tone];
    let strongest = |from: usize| {
        (from..from + TONES / 2).max_by(|a, b| power(*a).total_cmp(&power(*b))).unwrap_or(from)
    };
    let (low, high) = (strongest(0), strongest(TONES / 2));
    let (row, column) = (low, high - TONES / 2);
    // Over 10 ms the tones are not at right angles; solve for both at once.
    let between = overlap(turn(*ROWS_HZ.get(row)?), turn(*COLUMNS_HZ.get(column)?));
    let (a, b) = ((re[low], im[low]), (re[high], im[high]));
    let share = 1.0 - (between.0 * between.0 + between.1 * between.1);
    let solve = |own: Vector, other: Vector, overlap: Vector| {
        let cross =
            (other.0 * overlap.0 - other.1 * overlap.1, other.0 * overlap.1 + other.1 * overlap.0);
        ((own.0 - cross.0) / share, (own.1 - cross.1) / share)
    };
    let low_vector = solve(a, b, between);
    let high_vector = solve(b, a, (between.0, -between.1));
    let square = |v: Vector| v.0 * v.0 + v.1 * v.1;
    // A correlation of N samples with a sine of amplitude A is A·N/2, its mean square A²/2.
    let mean = |v: Vector| 2.0 * square(v) / (count * count);
    let powers = (mean(low_vector), mean(high_vector));
    let twist = 10.0 * (powers.0 / powers.1.max(f32::MIN_POSITIVE)).log10();
    let fits = powers.0.min(powers.1) >= softest
        && (-REVERSE_TWIST_DB..=TWIST_DB).contains(&twist)
        && (powers.0 + powers.1) * count >= EXPLAINED * energy;
    fits.then(|| Found {
        row,
        column,
        vectors: (low_vector, high_vector),
        powers,
        amplitude: (powers.0 + powers.1).sqrt(),
    })
}

/// The correlation of two tones over a step, divided by its length: what of the second is taken for
/// the first.
fn overlap(low: f32, high: f32) -> Vector {
    let difference = high - low;
    let half = difference / 2.0;
    let size = (half * STEP as f32).sin() / (half.sin() * STEP as f32);
    let angle = half * (STEP as f32 - 1.0);
    (size * angle.cos(), size * angle.sin())
}

/// Adds the turn from one vector to the next.
fn add(sum: &mut Vector, from: Vector, to: Vector) {
    sum.0 += from.0 * to.0 + from.1 * to.1;
    sum.1 += from.0 * to.1 - from.1 * to.0;
}

fn wrapped(angle: f32) -> f32 {
    let turn = std::f32::consts::TAU;
    angle - turn * (angle / turn).round()
}

fn level(mean_square: f32) -> f32 {
    (10.0 * mean_square.log10()).max(super::silence::DIGITAL_SILENCE_DBOV)
}
