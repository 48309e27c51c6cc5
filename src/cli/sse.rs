//! Server-sent events as a client reads them (WHATWG HTML §9.2.6, "Interpreting an event stream").

use std::{collections::VecDeque, io};

/// An event whose lines take more is cut off with an error; ours take a few hundred bytes.
const MAX_EVENT: usize = 1024 * 1024;

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Its data, lines joined by line feeds.
    pub(super) data: String,
}

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last byte was a carriage return, so a line feed now belongs to it.
    after_cr: bool,
    /// A byte order mark may stand before the first line only.
    begun: bool,
    ready: VecDeque<Event>,
}

impl Decoder {
    /// Takes the next bytes, cut anywhere.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for &byte in bytes {
            let lf_of_crlf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                _ if lf_of_crlf => {}
                b'\n' | b'\r' => self.end_line(),
                _ if self.line.len() + self.event.data.len() >= MAX_EVENT => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// The next whole event. One that the stream broke off in is never returned.
    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line);
        if !std::mem::replace(&mut self.begun, true)
            && let Some(rest) = line.strip_prefix('\u{FEFF}')
        {
            line = rest.to_owned().into();
        }
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                self.ready.push_back(event);
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        // Other fields are passed over: a comment (empty field) keeps the connection alive; our
        // streams say in the data what an event is, not in `event`; `id` and `retry` serve
        // reconnecting, which they do not offer.
        if field == "data" {
            if std::mem::replace(&mut self.has_data, true) {
                self.event.data.push('\n');
            }
            self.event.data.push_str(value);
        }
    }
}

/// An event is longer than any of ours.
#[derive(Debug, thiserror::Error)]
#[error("the service sent an event of more than {MAX_EVENT} bytes")]
pub(super) struct TooLong;

/// The events of a response body, until it ends.
pub(super) struct Events<R> {
    body: R,
    decoder: Decoder,
}

impl<R: io::Read> Events<R> {
    pub(super) fn new(body: R) -> Self {
        Self { body, decoder: Decoder::default() }
    }
}

impl<R: io::Read> Iterator for Events<R> {
    type Item = io::Result<Event>;

    fn next(&mut self) -> Option<io::Result<Event>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(event) = self.decoder.poll_event() {
                return Some(Ok(event));
            }
            let pushed = match self.body.read(&mut buffer) {
                Ok(0) => return None,
                Ok(count) => self.decoder.push(buffer.get(..count).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Some(Err(e)),
            };
            if let Err(too_long) = pushed {
                return Some(Err(io::Error::other(too_long)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(stream: &str) -> Vec<String> {
        Events::new(stream.as_bytes()).map(|e| e.unwrap().data).collect()
    }

    #[test]
    fn events_end_at_empty_lines_and_lines_end_in_three_ways() {
        for end in ["\n", "\r", "\r\n"] {
            let stream = ["event: a", "data: 1", "", "data:2", "data: 3", "", ""].join(end);
            assert_eq!(read(&stream), ["1", "2\n3"], "{end:?}");
        }
    }

    #[test]
    fn comments_unknown_fields_and_events_without_data_are_nothing() {
        let stream = ": still here\n\nid: 5\nretry: 10\nodd\n\nevent: a\n\ndata\n\n";
        assert_eq!(read(stream), [""]);
    }

    #[test]
    fn only_one_blank_after_the_colon_is_dropped() {
        assert_eq!(read("data:  two: colons \n\n"), [" two: colons "]);
    }

    #[test]
    fn a_byte_order_mark_before_the_first_line_is_dropped() {
        assert_eq!(read("\u{FEFF}data: a\n\n"), ["a"]);
    }

    #[test]
    fn an_event_that_the_stream_breaks_off_in_is_dropped() {
        assert_eq!(read("data: a\n\ndata: b\n"), ["a"]);
    }

    #[test]
    fn an_endless_event_is_an_error_and_not_endless_memory() {
        let line = format!("data: {}\n", "x".repeat(1000));
        let stream = line.repeat(MAX_EVENT / 1000 + 1);
        let mut events = Events::new(stream.as_bytes());
        assert!(events.next().unwrap().is_err());
        let mut events = Events::new(io::repeat(b'x'));
        assert!(events.next().unwrap().is_err());
    }

    proptest! {
        #[test]
        fn cutting_a_stream_anywhere_changes_nothing(
            stream in "((data|event|id|)(:|: |)[a-zé:]{0,6}(\n|\r|\r\n)|\n|\r\n|\r){0,20}",
            cut in 0usize..200,
        ) {
            let whole = read(&stream);
            let (head, tail) = stream.as_bytes().split_at(cut.min(stream.len()));
            let mut decoder = Decoder::default();
            decoder.push(head).unwrap();
            decoder.push(tail).unwrap();
            let cut: Vec<_> =
                std::iter::from_fn(|| decoder.poll_event()).map(|e| e.data).collect();
            prop_assert_eq!(cut, whole);
        }
    }
}
