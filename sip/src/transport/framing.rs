//! Messages in a byte stream (RFC 3261 §18.3), and the keep-alives between them (RFC 5626 §3.5.1).

use crate::message::limits::MAX_MESSAGE;

/// Bytes of a start line and headers, and of line ends before them.
const MAX_HEAD: usize = 32 * 1024;

/// What stands in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole message.
    Message(Vec<u8>),
    /// Two line ends: the peer wants to hear one back.
    Ping,
    /// One line end: the answer to a ping, or nothing.
    Pong,
}

/// Why a stream cannot be read any further: where its next message begins is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// The peer broke the rules: on a stream each message says how long its body is (§20.14).
    #[error("a message without Content-Length, or with one that is no number")]
    NoLength,
    /// Our limit.
    #[error("a message of more than {MAX_MESSAGE} bytes, or headers of more than {MAX_HEAD}")]
    TooLarge,
}

/// Cuts a stream into messages. Owned by the reader of one connection.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: Vec<u8>,
    /// Where the end of the head is, once it was found.
    head: Option<usize>,
    /// Bytes that were searched for it.
    searched: usize,
}

impl Framer {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// True if a part of a message was read and the rest is awaited.
    pub fn is_waiting(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next frame; `None` if the rest of it has not come yet.
    ///
    /// # Errors
    /// If the stream cannot be read any further.
    pub fn poll(&mut self) -> Result<Option<Frame>, FramingError> {
        if self.bytes.starts_with(b"\r\n\r\n") {
            self.take(4);
            return Ok(Some(Frame::Ping));
        }
        // Alone it may be the first half of a ping.
        if self.bytes.starts_with(b"\r\n") && self.bytes.len() > 3 {
            self.take(2);
            return Ok(Some(Frame::Pong));
        }
        if self.bytes.first().is_none_or(|first| *first == b'\r') && self.bytes.len() <= 3 {
            return Ok(None);
        }
        let Some(head) = self.head() else {
            return match self.bytes.len() > MAX_HEAD {
                true => Err(FramingError::TooLarge),
                false => Ok(None),
            };
        };
        let length = content_length(self.bytes.get(..head).unwrap_or_default())
            .ok_or(FramingError::NoLength)?;
        let whole = head.saturating_add(length);
        if head > MAX_HEAD || whole > MAX_MESSAGE {
            return Err(FramingError::TooLarge);
        }
        if self.bytes.len() < whole {
            return Ok(None);
        }
        Ok(Some(Frame::Message(self.take(whole))))
    }

    /// Bytes up to the end of the headers, the empty line included.
    fn head(&mut self) -> Option<usize> {
        if self.head.is_none() {
            // The end may lie across two reads.
            let from = self.searched.saturating_sub(3);
            let found = memchr::memmem::find(self.bytes.get(from..)?, b"\r\n\r\n");
            self.head = found.map(|at| from + at + 4);
            self.searched = self.bytes.len();
        }
        self.head
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        (self.head, self.searched) = (None, 0);
        std::mem::replace(&mut self.bytes, rest)
    }
}

/// The value of Content-Length, which several lines may not differ about.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut found = None;
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii();
        if !name.eq_ignore_ascii_case(b"Content-Length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let value = value.get(1..)?.trim_ascii();
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let length: usize = std::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()?;
        if found.is_some_and(|other| other != length) {
            return None;
        }
        found = Some(length);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc";

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.poll().unwrap()).collect()
    }

    #[test]
    fn a_message_comes_out_whole_however_it_is_cut() {
        let mut stream = OPTIONS.to_vec();
        stream.extend_from_slice(b"\r\n\r\n");
        stream.extend_from_slice(OPTIONS);
        for cut in 1..stream.len() {
            let mut framer = Framer::default();
            let mut found = Vec::new();
            for part in stream.chunks(cut) {
                framer.push(part);
                found.extend(frames(&mut framer));
            }
            let message = Frame::Message(OPTIONS.to_vec());
            assert_eq!(found, [message.clone(), Frame::Ping, message], "in parts of {cut}");
            assert!(!framer.is_waiting());
        }
    }

    #[test]
    fn a_lone_line_end_is_a_pong_once_it_is_sure_that_it_is_alone() {
        let mut framer = Framer::default();
        framer.push(b"\r\n");
        assert_eq!(framer.poll(), Ok(None));
        framer.push(OPTIONS);
        assert_eq!(frames(&mut framer), [Frame::Pong, Frame::Message(OPTIONS.to_vec())]);
    }

    #[test]
    fn a_message_whose_end_is_unknown_ends_the_stream() {
        for head in [
            "OPTIONS sip:a SIP/2.0\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nContent-Length:\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nl: 99999999999999999999999\r\n\r\n",
        ] {
            let mut framer = Framer::default();
            framer.push(head.as_bytes());
            assert_eq!(framer.poll(), Err(FramingError::NoLength), "{head}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_read() {
        let mut framer = Framer::default();
        framer.push(b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 100000000\r\n\r\n");
        assert_eq!(framer.poll(), Err(FramingError::TooLarge));
        let mut framer = Framer::default();
        framer.push(&vec![b'x'; MAX_HEAD + 1]);
        assert_eq!(framer.poll(), Err(FramingError::TooLarge));
    }
}
