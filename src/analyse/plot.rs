//! A recording as a picture: level, threshold, what is heard, and words over time.
//!
//! ```text
//! a.wav  12.3 s  menu (words, at 3.6 s)                        legend
//! -20 ┤ ringback europe │          speech            │ beep
//! -40 ┤ ▁▁▁▁▁           │ ▂▅▇▅▂▁▃▆▂ level            │ ▇▇
//! -60 ┤╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ threshold ╌╌╌╌╌╌╌╌╌╌╌╌
//!       words, a row below the other where they are close
//!       0                   1                   2 s
//! ```
//!
//! Ten seconds stand in one strip, the strips below each other.

use std::io::Write;

use phoneai_media::{FRAME_MS, detect::Sound};

use super::{
    Analysis, Span, What,
    canvas::{Canvas, Colour, Point, advance},
    font,
};
use crate::speech::{CallMs, Word};

/// Milliseconds in a strip.
const STRIP_MS: u32 = 10_000;

/// Strips of a picture; a longer recording has more in each.
const MAX_STRIPS: u32 = 60;

/// Pixels left and right of a strip's time.
const MARGIN: usize = 36;

/// Pixels of a strip's time.
const LENGTH: usize = 1500;

/// Pixels above the strips.
const HEAD: usize = 44;

/// Pixels for the level, from [`TOP_DBOV`] to [`BOTTOM_DBOV`].
const LEVEL: usize = 90;
const TOP_DBOV: f32 = 0.0;
const BOTTOM_DBOV: f32 = -75.0;

/// Rows of words below each other, and pixels of each.
const WORD_ROWS: usize = 3;
const ROW: usize = 12;

/// Pixels of a strip in all: level, words, times, a gap.
const STRIP: usize = LEVEL + WORD_ROWS * ROW + 3 * ROW;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// It cannot be written.
    #[error("the picture cannot be written: {0}")]
    Png(#[from] png::EncodingError),
}

/// Draws an analysis with its words as a PNG picture. `title` is written above, with who answered.
pub fn plot(
    title: &str,
    analysis: &Analysis,
    words: &[Word],
    to: impl Write,
) -> Result<(), PlotError> {
    let strips = analysis.duration_ms.div_ceil(STRIP_MS).clamp(1, MAX_STRIPS);
    let strip_ms = analysis.duration_ms.div_ceil(strips).max(STRIP_MS);
    let height = HEAD + strips as usize * STRIP;
    let mut canvas = Canvas::new(2 * MARGIN + LENGTH, height);
    head(&mut canvas, title, analysis);
    for number in 0..strips {
        let strip = Strip {
            from_ms: number * strip_ms,
            length_ms: strip_ms,
            top: HEAD + number as usize * STRIP,
        };
        strip.draw(&mut canvas, analysis, words);
    }
    Ok(canvas.write(to)?)
}

fn head(canvas: &mut Canvas, title: &str, analysis: &Analysis) {
    let seconds = f64::from(analysis.duration_ms) / 1000.0;
    let mut text = format!("{title}   {seconds:.1} s");
    if let Some(verdict) = analysis.verdicts.last() {
        let (party, evidence) = (verdict.party.name(), verdict.evidence.name());
        let at = f64::from(verdict.at_ms) / 1000.0;
        text.push_str(&format!("   answered by: {party} ({evidence}, at {at:.1} s)"));
    }
    let right = MARGIN + LENGTH;
    canvas.text((MARGIN, 8), &text, 2, right, Colour::Ink);
    let legend = [
        (Colour::Level, "level"),
        (Colour::Threshold, "threshold"),
        (Colour::Speech, "speech"),
        (Colour::Network, "network, fax"),
        (Colour::Single, "beep, special"),
        (Colour::Key, "key"),
        (Colour::Music, "music"),
        (Colour::Noise, "noise"),
    ];
    let mut left = MARGIN;
    for (colour, name) in legend {
        canvas.fill((left, 28), (left + 10, 28 + font::HEIGHT), colour);
        left = canvas.text((left + 14, 28), name, 1, right, Colour::Ink) + 3 * advance(1);
    }
}

/// A stretch of the recording and its place in the picture.
struct Strip {
    from_ms: CallMs,
    length_ms: u32,
    top: usize,
}

impl Strip {
    fn draw(&self, canvas: &mut Canvas, analysis: &Analysis, words: &[Word]) {
        for span in &analysis.spans {
            self.span(canvas, span);
        }
        self.grid(canvas, analysis.duration_ms);
        self.curve(canvas, analysis);
        for span in &analysis.spans {
            self.label(canvas, span);
        }
        self.words(canvas, words);
    }

    /// The pixel of a time; times outside are at the ends.
    fn x(&self, at_ms: CallMs) -> usize {
        let inside = at_ms.saturating_sub(self.from_ms).min(self.length_ms);
        MARGIN + (u64::from(inside) * LENGTH as u64 / u64::from(self.length_ms)) as usize
    }

    /// The part of a stretch that lies in this strip, in pixels.
    fn part(&self, from_ms: CallMs, to_ms: CallMs) -> Option<(usize, usize)> {
        let end = self.from_ms.saturating_add(self.length_ms);
        let outside = to_ms <= self.from_ms || from_ms >= end;
        (!outside).then(|| (self.x(from_ms), self.x(to_ms).max(self.x(from_ms) + 1)))
    }

    fn y(&self, dbov: f32) -> usize {
        let part = (TOP_DBOV - dbov.clamp(BOTTOM_DBOV, TOP_DBOV)) / (TOP_DBOV - BOTTOM_DBOV);
        self.top + (part * (LEVEL - 1) as f32) as usize
    }

    fn span(&self, canvas: &mut Canvas, span: &Span) {
        if let Some((left, right)) = self.part(span.from_ms, span.to_ms) {
            canvas.fill((left, self.top), (right, self.top + LEVEL), background(&span.what));
        }
    }

    fn label(&self, canvas: &mut Canvas, span: &Span) {
        let Some((left, right)) = self.part(span.from_ms, span.to_ms) else { return };
        let text = match &span.what {
            What::Silence | What::Speech => return,
            What::Sound(sound) => match sound.detail() {
                // A key is known by its name alone, and has little room.
                Some(detail) if matches!(sound, Sound::Key(_)) => detail,
                Some(detail) => format!("{} {detail}", sound.name()),
                None => sound.name().to_owned(),
            },
        };
        // What is short may write over what follows.
        let right = right.max(left + 20 * advance(1)).min(MARGIN + LENGTH);
        let end = (left + 2 + text.chars().count() * advance(1)).min(right);
        canvas.fill((left, self.top), (end, self.top + ROW), background(&span.what));
        canvas.text((left + 2, self.top + 2), &text, 1, right, Colour::Ink);
    }

    /// Lines for 20, 40 and 60 dB below full scale, and for the seconds.
    fn grid(&self, canvas: &mut Canvas, duration_ms: CallMs) {
        for dbov in [-20.0, -40.0, -60.0] {
            let y = self.y(dbov);
            canvas.fill((MARGIN, y), (MARGIN + LENGTH, y + 1), Colour::Faint);
            let at: Point = (MARGIN - 4 * advance(1), y - font::HEIGHT / 2);
            canvas.text(at, &format!("{dbov:.0}"), 1, MARGIN, Colour::Ink);
        }
        let each_ms = if self.length_ms > 2 * STRIP_MS { 10_000 } else { 1000 };
        let bottom = self.top + LEVEL + WORD_ROWS * ROW + 4;
        let mut at_ms = self.from_ms.div_ceil(each_ms) * each_ms;
        while at_ms <= self.from_ms + self.length_ms && at_ms <= duration_ms {
            let x = self.x(at_ms);
            canvas.fill((x, self.top + LEVEL), (x + 1, self.top + LEVEL + 3), Colour::Ink);
            let text = (at_ms / 1000).to_string();
            canvas.text((x, bottom), &text, 1, MARGIN * 2 + LENGTH, Colour::Ink);
            at_ms += each_ms;
        }
    }

    fn curve(&self, canvas: &mut Canvas, analysis: &Analysis) {
        let first = (self.from_ms / FRAME_MS) as usize;
        let count = self.length_ms.div_ceil(FRAME_MS) as usize;
        let bottom = self.top + LEVEL;
        for (number, level) in analysis.levels.iter().enumerate().skip(first).take(count) {
            let at_ms = number as u32 * FRAME_MS;
            let Some((left, right)) = self.part(at_ms, at_ms + FRAME_MS) else { continue };
            // A gap of a pixel between frames lets the ground show what it is.
            let bar = (right - left).saturating_sub(1).max(1);
            canvas.fill((left, self.y(level.dbov)), (left + bar, bottom), Colour::Level);
            let y = self.y(level.threshold_dbov);
            canvas.fill((left, y), (right, y + 1), Colour::Threshold);
        }
    }

    /// Each word below the stretch in which it is said, in the first row with room for it.
    fn words(&self, canvas: &mut Canvas, words: &[Word]) {
        let top = self.top + LEVEL + 4;
        let mut ends = [0; WORD_ROWS];
        for word in words {
            if !(self.from_ms..self.from_ms.saturating_add(self.length_ms)).contains(&word.start_ms)
            {
                continue;
            }
            let (left, right) = (self.x(word.start_ms), self.x(word.end_ms).max(2));
            let free = ends.iter().position(|end| *end <= left);
            let Some((row, end)) = free.and_then(|row| ends.get_mut(row).map(|end| (row, end)))
            else {
                continue;
            };
            let y = top + row * ROW;
            // A gap shows where one word ends and the next begins.
            canvas.fill((left, y - 2), ((right - 2).max(left + 1), y - 1), Colour::Level);
            let limit = 2 * MARGIN + LENGTH;
            *end = canvas.text((left, y), &word.text, 1, limit, Colour::Ink) + advance(1) / 2;
        }
    }
}

fn background(what: &What) -> Colour {
    match what {
        What::Silence => Colour::Paper,
        What::Speech => Colour::Speech,
        What::Sound(sound) => match sound {
            Sound::Ringback(_)
            | Sound::Busy(_)
            | Sound::Reorder(_)
            | Sound::DialTone(_)
            | Sound::FaxAnswer
            | Sound::ModemAnswer
            | Sound::FaxCalling => Colour::Network,
            Sound::Special(_) | Sound::Beep { .. } => Colour::Single,
            Sound::Key(_) => Colour::Key,
            Sound::Music => Colour::Music,
            Sound::ComfortNoise => Colour::Noise,
        },
    }
}
