//! `phoneai crawl` and `phoneai call`: ask a running service for calls and watch them.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use phoneai_clock::Clock;

use super::{
    client::{Access, Client, LiveEvents, ScanRow, Streamed},
    growing::Growing,
    output::{Failure, Output},
    parts::{self, Format},
    screen::Screen,
    watch::{Tally, count},
};
use crate::calls::live::{LiveEvent, What};

/// How often the service is asked how far it is, beside its events.
const POLL: Duration = Duration::from_secs(1);
/// So long the last events of a scan may take after its row says that it is complete.
const LAST_EVENTS: Duration = Duration::from_secs(3);
/// Events that wait between the stream and the screen; then the stream waits.
const BACKLOG: usize = 256;

/// Has a running service crawl a number, and shows it live
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    PHONEAI_TOKEN=… phoneai crawl +12025550123\n  \
    phoneai crawl +12025550123 --api http://127.0.0.1:8080 --token … > tree.txt\n\n\
    What happens goes to standard error, the finished tree to standard output; a terminal shows \
    the tree as it grows. With --json, the events of /api/v2/events, one a line. Ctrl-C ends the \
    watching, not the crawl. Exit code 0 if the tree is complete, 1 if not.")]
pub(super) struct CrawlArgs {
    /// Number to crawl: + and digits
    number: String,
    /// Write each event as a JSON object on a line to standard output, and no tree
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    access: Access,
}

/// Has a running service call a number once and listen, and shows the words
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    PHONEAI_TOKEN=… phoneai call +12025550123\n  \
    phoneai call sip:1001@localhost --token …\n\n\
    The second calls the phone that has registered as extension 1001. No key is pressed. Exit code 0 if the call was answered, 1 if not.")]
pub(super) struct CallArgs {
    /// Number to call: + and digits; or sip:EXTENSION@HOST for a phone of ours
    number: String,
    #[command(flatten)]
    access: Access,
}

/// Runs `phoneai crawl`.
pub(super) fn run_crawl(args: &CrawlArgs, out: &mut Output) -> Result<(), Failure> {
    let client = args.access.client()?;
    let over = if args.json {
        crawl(&client, &args.number, &mut Screen::dark(), &mut |event| {
            out.line(&serde_json::to_string(event).map_err(Failure::failed)?)?;
            out.flush()
        })?
    } else {
        crawl(&client, &args.number, &mut Screen::crawl(), &mut |_| Ok(()))?
    };
    super::output::note(&over.summary);
    if !args.json {
        out.line(&parts::write_tree(&client.tree(&args.number)?, Format::Text))?;
    }
    if over.complete { Ok(()) } else { Err(Failure::Failed(over.reason)) }
}

/// Runs `phoneai call`.
pub(super) fn run_call(args: &CallArgs, out: &mut Output) -> Result<(), Failure> {
    let client = args.access.client()?;
    let mut screen = Screen::spinner();
    let events = client.events(&args.number)?;
    let call = client.place_call(&args.number)?;
    let mut tally = Tally::default();
    let mut answered = false;
    for streamed in events {
        let event = match streamed? {
            Streamed::Live(event) => event,
            Streamed::Missed(lost) => {
                screen.line(&missed(lost));
                continue;
            }
        };
        // A crawl of the same number may be under way.
        if event.call != call {
            continue;
        }
        let line = tally.note(&event);
        screen.status(&tally.status());
        match &event.what {
            What::Words { .. } => {
                if let Some(line) = line {
                    out.line(&line)?;
                    out.flush()?;
                }
            }
            _ => line.iter().for_each(|line| screen.line(line)),
        }
        answered |= matches!(event.what, What::Answered);
        if let What::Ended { reason, .. } = &event.what {
            return if answered {
                Ok(())
            } else {
                Err(Failure::Failed(format!("the call was not answered: {reason}")))
            };
        }
    }
    Err(Failure::Failed("the service ended before the call did".to_owned()))
}

/// How a crawl ended.
#[derive(Debug)]
pub(super) struct Over {
    /// True if nothing is left to explore.
    pub(super) complete: bool,
    /// Why it is not complete.
    pub(super) reason: String,
    /// Calls, audio, prompts and options in one line.
    pub(super) summary: String,
    /// Prompts that `callmenu` shows.
    pub(super) prompts: usize,
}

/// Asks for a crawl and watches it to its end, on the screen and with each event told.
///
/// # Errors
/// What `tell` fails with ends the watching, and so does a service that is gone.
pub(super) fn crawl(
    client: &Client,
    number: &str,
    screen: &mut Screen,
    tell: &mut dyn FnMut(&LiveEvent) -> Result<(), Failure>,
) -> Result<Over, Failure> {
    // The stream is open before the call is asked for, so nothing of it is missed.
    let events = client.events(number)?;
    client.make_call(number)?;
    let clock = Clock::real();
    let mut watch = Watch::new(clock.now());
    let stream = in_background(events);
    loop {
        let wait = watch.next_poll.saturating_duration_since(clock.now());
        match stream.recv_timeout(wait) {
            Ok(Ok(Streamed::Live(event))) => {
                tell(&event)?;
                watch.tally.note(&event).iter().for_each(|line| screen.line(line));
                if watch.growing.note(&event) {
                    screen.tree(&watch.growing);
                }
                if let What::ScanEnded { complete, reason } = &event.what {
                    let prompts = client.menu_size(number)?;
                    return Ok(watch.over(*complete, reason, prompts));
                }
            }
            Ok(Ok(Streamed::Missed(lost))) => screen.line(&missed(lost)),
            Ok(Err(broken)) => return Err(broken),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Failed(
                    "the service ended before the crawl did; it goes on when the service is \
                     started again"
                        .to_owned(),
                ));
            }
        }
        if watch.next_poll <= clock.now() {
            watch.next_poll = clock.now() + POLL;
            let scan = client.newest_scan(number)?;
            let prompts = client.menu_size(number)?;
            if watch.is_over(scan.as_ref(), clock.now()) {
                return Ok(watch.over(true, "", prompts));
            }
            watch.polled = scan.map(|scan| (scan, prompts));
        }
        screen.status(&watch.status());
    }
}

/// What the two ways of looking at a crawl have shown.
struct Watch {
    tally: Tally,
    growing: Growing,
    next_poll: Instant,
    polled: Option<(ScanRow, usize)>,
    /// When the scan's row said first that it is complete.
    complete_since: Option<Instant>,
}

impl Watch {
    fn new(now: Instant) -> Self {
        Self {
            tally: Tally::default(),
            growing: Growing::default(),
            next_poll: now + POLL,
            polled: None,
            complete_since: None,
        }
    }

    /// True if the row has been complete for so long that the event that says so must be lost.
    fn is_over(&mut self, scan: Option<&ScanRow>, now: Instant) -> bool {
        if !scan.is_some_and(ScanRow::is_complete) {
            self.complete_since = None;
            return false;
        }
        now.saturating_duration_since(*self.complete_since.get_or_insert(now)) >= LAST_EVENTS
    }

    fn status(&self) -> String {
        match &self.polled {
            // A watcher who came late has not seen the calls before.
            Some((scan, prompts)) if scan.attempt as usize > self.tally.calls() => format!(
                "{} so far, {} known · {}",
                count(scan.attempt as usize, "call"),
                count(*prompts, "prompt"),
                self.tally.status()
            ),
            Some((scan, _)) => format!("{} · {}", scan.status, self.tally.status()),
            None => self.tally.status(),
        }
    }

    fn over(self, complete: bool, reason: &str, prompts: usize) -> Over {
        Over { complete, reason: reason.to_owned(), summary: self.tally.summary(), prompts }
    }
}

/// Reads a stream on a thread of its own, because a read cannot be given a deadline. The thread
/// ends with the stream, or with its next event after nobody listens.
fn in_background(events: LiveEvents) -> mpsc::Receiver<Result<Streamed, Failure>> {
    let (to, from) = mpsc::sync_channel(BACKLOG);
    thread::spawn(move || {
        for event in events {
            if to.send(event).is_err() {
                return;
            }
        }
    });
    from
}

fn missed(events: u64) -> String {
    format!("(this terminal was too slow: {events} events were not shown)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(completed: &str) -> ScanRow {
        serde_json::from_str(&format!(
            "{{\"status\":\"Calling\",\"attempt\":2,\"completed\":\"{completed}\"}}"
        ))
        .unwrap()
    }

    #[test]
    fn a_complete_row_ends_the_watch_only_when_its_event_stays_away() {
        let start = Clock::real().now();
        let mut watch = Watch::new(start);
        let (done, open) = (row("True"), row("False"));
        assert!(!watch.is_over(Some(&done), start));
        assert!(!watch.is_over(Some(&done), start + LAST_EVENTS / 2));
        assert!(!watch.is_over(Some(&open), start + LAST_EVENTS));
        assert!(!watch.is_over(Some(&done), start + LAST_EVENTS * 2));
        assert!(watch.is_over(Some(&done), start + LAST_EVENTS * 3));
        assert!(!watch.is_over(None, start + LAST_EVENTS * 4));
    }

    #[test]
    fn who_comes_late_is_told_of_the_calls_before() {
        let mut watch = Watch::new(Clock::real().now());
        watch.polled = Some((row("False"), 5));
        assert!(watch.status().starts_with("2 calls so far, 5 prompts known"));
    }
}
