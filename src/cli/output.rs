//! What a command says, and how it fails.

use std::{
    fmt,
    io::{self, Write},
};

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub(super) enum Failure {
    /// It could not: exit code 1.
    Failed(String),
    /// It was asked wrongly, or the configuration is wrong: exit code 2.
    Usage(String),
    /// Nobody reads its output any more: it ends without a word.
    Closed,
}

impl Failure {
    /// A failure in the words of an error.
    pub(super) fn failed(error: impl fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for Failure {
    /// An error of writing the output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(format!("the output cannot be written: {error}")),
        }
    }
}

/// Where results go. A reader that went away is [`Failure::Closed`], not a panic.
pub(super) struct Output(Box<dyn Write>);

impl Output {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        Self(Box::new(io::stdout()))
    }

    /// Writes text and ends the line, unless the text has done so.
    pub(super) fn line(&mut self, text: &str) -> Result<(), Failure> {
        self.0.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.0.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Hands on what is still held back.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush()?)
    }
}

/// Says what went wrong, on standard error.
pub(super) fn complain(why: &str) {
    let prefix = if why.contains(": error: ") { "" } else { "error: " };
    note(&format!("{prefix}{why}"));
}

/// Says something on standard error. If that is closed there is nobody to tell.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Text from a phone call or another program as a terminal may show it: control characters, which
/// could move the cursor or worse, are replaced.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_to_speak_of() {
        let mut out = Output(Box::new(Gone));
        assert!(matches!(out.line("text"), Err(Failure::Closed)));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\r\u{9b}é"), "a\u{FFFD}[2Jb\u{FFFD}\u{FFFD}é");
    }
}
