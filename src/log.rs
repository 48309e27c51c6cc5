//! Logs: lines of text or JSON on standard error, without secrets and, if asked, without telephone
//! numbers.
//!
//! Every event of a call has a field `call` with the call's id. Where a number is logged it is
//! wrapped in [`number`]. Because a number may also sit inside something else (a URI in an error, a
//! file's name), each finished line is searched once more for what looks like one.

use std::{
    fmt, io,
    sync::atomic::{AtomicBool, Ordering},
};

use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter};

use crate::config::{Log, LogFormat};

/// Whether [`number`] hides. Set once by [`init`], before anything else runs.
static REDACT: AtomicBool = AtomicBool::new(false);

/// Starts logging to standard error.
///
/// # Errors
///
/// The level is not understood, or logging was started before.
pub fn init(log: &Log) -> Result<(), LogError> {
    REDACT.store(log.redact_numbers, Ordering::Relaxed);
    let stderr = Lines { to: io::stderr, redact: log.redact_numbers };
    let lines = tracing_subscriber::fmt().with_env_filter(filter(&log.level)?).with_writer(stderr);
    match log.format {
        LogFormat::Text => {
            use io::IsTerminal;
            let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            // Colour would tear a number apart from its label, but never its digits.
            lines.with_ansi(io::stderr().is_terminal() && !plain).try_init()
        }
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(|e| LogError::Started(e.to_string()))
}

/// The filter that a level stands for: `info`, `info,phoneai_sip=debug`.
///
/// # Errors
///
/// The text is no list of levels.
pub fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is no list of levels.
    #[error("the log level is not understood: {0}")]
    Level(#[from] ParseError),
    /// Something else logs already.
    #[error("logging could not be started: {0}")]
    Started(String),
}

/// A telephone number in a log: shown as it is, or hidden if `log.redact_numbers` is set.
///
/// ```
/// let number = "+12025550123";
/// tracing::info!(call = "1f0c", number = %phoneai::log::number(number), "Calling.");
/// ```
pub fn number(number: &str) -> Number<'_> {
    Number { number, redact: REDACT.load(Ordering::Relaxed) }
}

/// See [`number`].
pub struct Number<'a> {
    number: &'a str,
    redact: bool,
}

/// From this many digits on the last two are left, to tell numbers apart.
const TELLABLE: usize = 7;

impl fmt::Display for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.redact {
            return f.write_str(self.number);
        }
        f.write_str("***")?;
        let digits = self.number.bytes().filter(u8::is_ascii_digit).count();
        let tail = self.number.len().checked_sub(2).and_then(|at| self.number.get(at..));
        match tail {
            Some(tail) if digits >= TELLABLE => f.write_str(tail),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Number<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hides what looks like a telephone number: 7 to 15 digits (E.164's most) in a row. UUIDs and
/// long hexadecimal strings (tags, sums) are left; an RTP timestamp may be hidden with the rest.
fn hide_numbers(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let word_len =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_len);
        if is_identifier(word) {
            out.push_str(word)
        } else {
            hide_digits(word, &mut out)
        }
        let mut chars = after.chars();
        out.extend(chars.next());
        rest = chars.as_str();
    }
    out
}

/// True for a UUID, and for 16 and more hexadecimal digits that are not all decimal.
fn is_identifier(word: &str) -> bool {
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    uuid::Uuid::try_parse(word).is_ok()
        || (hex && word.len() >= 16 && word.bytes().any(|b| b.is_ascii_alphabetic()))
}

fn hide_digits(word: &str, out: &mut String) {
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(digits);
        if (TELLABLE..=15).contains(&run.len()) {
            out.push_str("***");
            out.push_str(run.get(run.len() - 2..).unwrap_or_default());
        } else {
            out.push_str(run);
        }
        let other = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (text, next) = after.split_at(other);
        out.push_str(text);
        rest = next;
    }
}

/// Makes the writer of one line each.
struct Lines<M> {
    to: M,
    redact: bool,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { to: self.to.make_writer(), redact: self.redact }
    }
}

/// Writes what it gets, which is whole lines: `tracing_subscriber::fmt` makes a line first and
/// writes it at once.
struct Line<W> {
    to: W,
    redact: bool,
}

impl<W: io::Write> io::Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.redact {
            let text = String::from_utf8_lossy(line);
            self.to.write_all(hide_numbers(&text).as_bytes())?;
        } else {
            self.to.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A place for lines that the test can read.
    #[derive(Clone, Default)]
    struct Heard(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Heard {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    fn logged(redact: bool, json: bool) -> String {
        let heard = Heard::default();
        let to = heard.clone();
        let lines = Lines { to: move || to.clone(), redact };
        let builder = tracing_subscriber::fmt().with_ansi(false).with_writer(lines);
        let event = || {
            let number = "+12025550142";
            let call = "6f2c1a44-3f08-4f6e-9a59-123456789012";
            let shown = Number { number, redact };
            tracing::info!(call, number = %shown, "Calling.");
            tracing::warn!(call, uri = format!("sip:99*{number}@192.0.2.1:5060"), "Refused.");
            tracing::warn!(call, file = format!("/data/{number}_1.wav"), "No {number}.");
        };
        if json {
            tracing::subscriber::with_default(builder.json().finish(), event);
        } else {
            tracing::subscriber::with_default(builder.finish(), event);
        }
        heard.text()
    }

    #[test]
    fn no_number_is_in_any_line_when_numbers_are_redacted() {
        for json in [false, true] {
            let text = logged(true, json);
            assert!(!text.contains("2025550142"), "{text}");
            assert_eq!(text.matches("***42").count(), 4, "{text}");
            let id = "6f2c1a44-3f08-4f6e-9a59-123456789012";
            assert_eq!(text.matches(id).count(), 3, "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_when_they_are_not_redacted() {
        assert_eq!(logged(false, false).matches("+12025550142").count(), 4);
    }

    #[test]
    fn a_hidden_number_leaves_two_digits_of_long_ones_and_none_of_short_ones() {
        let hidden = |number| Number { number, redact: true }.to_string();
        assert_eq!(hidden("+12025550142"), "***42");
        assert_eq!(hidden("1001"), "***");
        assert_eq!(hidden(""), "***");
        assert_eq!(hidden("12345678é"), "***é", "two bytes, one character");
        assert_eq!(format!("{:?}", Number { number: "12025550142", redact: true }), "***42");
    }

    #[test]
    fn what_is_no_number_is_left_in_a_line() {
        for line in [
            "2025-01-31T12:00:00.123456Z  INFO took 12345 ms, 123456 bytes",
            "sum 1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
            "at 192.0.2.1:50600 and 1700000000000000",
            "né à",
        ] {
            assert_eq!(hide_numbers(line), line);
        }
        assert_eq!(hide_numbers("é12025550142é"), "é***42é");
        assert_eq!(hide_numbers("a12025550142-x"), "a***42-x");
    }
}
