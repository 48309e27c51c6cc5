//! Progress on standard error: a live line on a terminal, plain lines elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::growing::Growing;

/// A part of a download after which a plain line is written.
const PLAIN_STEP_PERCENT: u64 = 10;

/// Where progress is shown while something is going on. The live line is gone when it is dropped.
pub(super) struct Screen(To);

enum To {
    Terminal(ProgressBar),
    Crawl(Box<Stage>),
    Plain(Box<dyn Write + Send>),
}

/// The terminal during a crawl: the tree as it grows, how much of it is explored, and what is heard.
struct Stage {
    all: MultiProgress,
    tree: ProgressBar,
    keys: ProgressBar,
    now: ProgressBar,
}

/// Lines of the terminal that are left for what is not the tree.
const OTHER_LINES: usize = 4;

impl Stage {
    fn new() -> Self {
        let all = MultiProgress::new();
        let bar = |template| {
            let bar = all.add(ProgressBar::new(0));
            // The templates are fixed text and known to be right.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        };
        let tree = bar("{msg}");
        let keys = bar("{spinner} {elapsed} {wide_bar} {pos}/{len} keys explored");
        let now = bar("{wide_msg}");
        keys.enable_steady_tick(Duration::from_millis(120));
        Self { all, tree, keys, now }
    }

    fn show(&self, tree: &Growing) {
        let (rows, columns) = Term::stderr().size();
        let most = usize::from(rows).saturating_sub(OTHER_LINES);
        self.tree.set_message(tree.lines(most, usize::from(columns)).join("\n"));
        let (explored, known) = tree.progress();
        self.keys.set_length(known as u64);
        self.keys.set_position(explored as u64);
    }
}

impl Screen {
    /// For a crawl: a terminal shows its tree.
    pub(super) fn crawl() -> Self {
        if io::stderr().is_terminal() {
            Self(To::Crawl(Box::new(Stage::new())))
        } else {
            Self::plain(Box::new(io::stderr()))
        }
    }

    /// For somebody who reads events elsewhere.
    pub(super) fn dark() -> Self {
        Self::plain(Box::new(io::sink()))
    }

    /// Shows how far the tree has grown; elsewhere than on a terminal the lines tell it.
    pub(super) fn tree(&mut self, tree: &Growing) {
        match &mut self.0 {
            To::Crawl(stage) => stage.show(tree),
            To::Terminal(_) | To::Plain(_) => {}
        }
    }

    /// For a work of unknown length.
    pub(super) fn spinner() -> Self {
        if !io::stderr().is_terminal() {
            return Self::plain(Box::new(io::stderr()));
        }
        let bar = ProgressBar::new_spinner();
        // The template is fixed text and known to be right; without it indicatif's own stands.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(To::Terminal(bar))
    }

    fn plain(to: Box<dyn Write + Send>) -> Self {
        Self(To::Plain(to))
    }

    /// Writes a line that stays. A standard error that is closed is nobody's loss.
    pub(super) fn line(&mut self, text: &str) {
        match &mut self.0 {
            To::Terminal(bar) => bar.println(text),
            To::Crawl(stage) => {
                let _ = stage.all.println(text);
            }
            To::Plain(to) => {
                let _ = writeln!(to, "{text}");
            }
        }
    }

    /// Replaces the live line; elsewhere than on a terminal there is none.
    pub(super) fn status(&mut self, text: &str) {
        match &mut self.0 {
            To::Terminal(bar) => bar.set_message(text.to_owned()),
            To::Crawl(stage) => stage.now.set_message(text.to_owned()),
            To::Plain(_) => {}
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        match &self.0 {
            To::Terminal(bar) => bar.finish_and_clear(),
            To::Crawl(stage) => {
                for bar in [&stage.now, &stage.keys, &stage.tree] {
                    bar.finish_and_clear();
                }
            }
            To::Plain(_) => {}
        }
    }
}

/// The progress of a download: a bar on a terminal, a line each tenth elsewhere.
pub(super) struct Download {
    screen: Screen,
    /// What is fetched.
    what: String,
    /// The tenth that was told last.
    told: Option<u64>,
}

impl Download {
    /// Of `what`, in the words of a message.
    pub(super) fn new(what: &str) -> Self {
        let screen = if io::stderr().is_terminal() {
            let bar = ProgressBar::new(0);
            let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(what.to_owned());
            Screen(To::Terminal(bar))
        } else {
            Screen::plain(Box::new(io::stderr()))
        };
        Self { screen, what: what.to_owned(), told: None }
    }

    /// So many bytes of so many are here; a total of 0 is unknown.
    pub(super) fn at(&mut self, bytes: u64, total: u64) {
        match &mut self.screen.0 {
            To::Terminal(bar) => {
                bar.set_length(total.max(bytes));
                bar.set_position(bytes);
            }
            // A download has no tree.
            To::Crawl(_) => {}
            To::Plain(_) => {
                let percent = bytes.saturating_mul(100).checked_div(total).unwrap_or(0).min(100);
                let tenth = percent / PLAIN_STEP_PERCENT;
                if self.told != Some(tenth) {
                    self.told = Some(tenth);
                    let line = format!(
                        "{}: {} % of {} MB",
                        self.what,
                        tenth * PLAIN_STEP_PERCENT,
                        total / 1_000_000
                    );
                    self.screen.line(&line);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Paper {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    #[test]
    fn without_a_terminal_only_lines_that_stay_are_written() {
        let paper = Paper::default();
        let mut screen = Screen::plain(Box::new(paper.clone()));
        screen.line("one");
        screen.status("passing");
        screen.line("two");
        drop(screen);
        assert_eq!(paper.text(), "one\ntwo\n");
    }

    #[test]
    fn a_download_without_a_terminal_is_a_line_each_tenth() {
        let paper = Paper::default();
        let mut download = Download {
            screen: Screen::plain(Box::new(paper.clone())),
            what: "model".to_owned(),
            told: None,
        };
        for mb in 0..=40 {
            download.at(mb * 1_000_000, 40_000_000);
        }
        let text = paper.text();
        assert_eq!(text.lines().count(), 11, "{text}");
        assert!(text.starts_with("model: 0 % of 40 MB\n") && text.ends_with("100 % of 40 MB\n"));
        let mut unknown = download;
        unknown.at(5, 0);
    }
}
