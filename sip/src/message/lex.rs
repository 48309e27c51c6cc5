//! Characters and splitting, as RFC 3261 §25.1 has them. A folded line's CR and LF count as blanks
//! here, so that no value has to be copied to be read.

use memchr::{memchr, memchr2};

/// Classes of bytes, one bit each.
const TOKEN: u8 = 1;
const HOST: u8 = 2;
const URI: u8 = 4;
const WORD: u8 = 8;

const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        let b = byte as u8;
        let alphanum = b.is_ascii_alphanumeric();
        if alphanum || in_set(b, b"-.!%*_+`'~") {
            table[byte] |= TOKEN;
        }
        // Underscores stand in no host name, but real peers write them.
        if alphanum || in_set(b, b"-._") {
            table[byte] |= HOST;
        }
        if alphanum || in_set(b, b"-_.!~*'()%;/?:@&=+$,[]#|{}^`\\\"") {
            table[byte] |= URI;
        }
        if alphanum || in_set(b, b"-.!%*_+`'~()<>:\\\"/[]?{}@") {
            table[byte] |= WORD;
        }
        byte += 1;
    }
    table
};

const fn in_set(byte: u8, set: &[u8]) -> bool {
    let mut i = 0;
    while i < set.len() {
        if set[i] == byte {
            return true;
        }
        i += 1;
    }
    false
}

fn all(bytes: &[u8], class: u8) -> bool {
    bytes.iter().all(|b| CLASSES[usize::from(*b)] & class != 0)
}

/// `token`: at least one character of it, and nothing else.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, TOKEN)
}

/// Characters of a host name.
pub(crate) fn is_host_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, HOST)
}

/// Characters that may stand in a URI somewhere.
pub(crate) fn is_uri_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, URI)
}

/// `callid = word [ "@" word ]`; a second `@` is tolerated.
pub(crate) fn is_call_id(bytes: &[u8]) -> bool {
    !bytes.is_empty() && all(bytes, WORD)
}

/// Blank, tab, or a byte of a line fold.
pub(crate) fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without the blanks at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes {
        if !is_lws(*first) {
            break;
        }
        bytes = rest;
    }
    while let [rest @ .., last] = bytes {
        if !is_lws(*last) {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// How many bytes `part` begins after `whole`, of which it is a part.
pub(crate) fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    let offset = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    offset.min(whole.len())
}

/// Splits before and behind position `at`, the byte there left out.
pub(crate) fn around(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    (bytes.get(..at).unwrap_or(bytes), bytes.get(at + 1..).unwrap_or_default())
}

/// Position behind the quoted string that begins with the quote at the front; `None` if it does
/// not end.
pub(crate) fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        let found = memchr2(b'"', b'\\', bytes.get(at..)?)?;
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// Position of the first `wanted` outside quoted strings and angle brackets; the length if there
/// is none. A quote or bracket without end reaches to the end.
pub(crate) fn find_outside(bytes: &[u8], wanted: u8) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == wanted {
            return at;
        }
        match byte {
            b'"' => match bytes.get(at..).and_then(quoted_len) {
                Some(len) => at += len,
                None => return bytes.len(),
            },
            b'<' => match bytes.get(at..).and_then(|rest| memchr(b'>', rest)) {
                Some(len) => at += len + 1,
                None => return bytes.len(),
            },
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The values of a comma-separated list, trimmed, empty ones included.
#[derive(Clone, Debug)]
pub(crate) struct Commas<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Commas<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Self { rest: Some(value) }
    }
}

impl<'a> Iterator for Commas<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let at = find_outside(rest, b',');
        let (value, behind) = around(rest, at);
        self.rest = (at < rest.len()).then_some(behind);
        Some(trim(value))
    }
}

/// A decimal number without sign, at least one digit, not above `max`.
pub(crate) fn number(bytes: &[u8], max: u64) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for byte in bytes {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    (value <= max).then_some(value)
}
