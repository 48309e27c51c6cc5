//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

use memchr::memmem;

use super::{MediaType, Message, lex, limits::MAX_PARTS};

impl<'a> Message<'a> {
    /// The body of that media type: the whole body, or the first such part of a `multipart` one
    /// (a gateway sends SDP together with ISUP so). Parts within parts are not looked into.
    pub fn body_of(&self, kind: &str, subtype: &str) -> Option<&'a [u8]> {
        let body = self.body();
        if body.is_empty() {
            return None;
        }
        let media_type = self.content_type().ok()??;
        if media_type.is(kind, subtype) {
            return Some(body);
        }
        if !media_type.kind.eq_ignore_ascii_case("multipart") {
            return None;
        }
        let boundary = media_type.params.find("boundary")?;
        let delimiter = format!("--{}", boundary.unquoted());
        parts(body, delimiter.as_bytes()).find_map(|part| {
            let (headers, content) = split_part(part)?;
            let media_type = MediaType::parse(content_type(headers)?).ok()?;
            media_type.is(kind, subtype).then_some(content)
        })
    }
}

/// What stands between delimiters, which are whole lines.
fn parts<'a>(body: &'a [u8], delimiter: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let starts: Vec<usize> = memmem::find_iter(body, delimiter)
        .filter(|at| *at == 0 || at.checked_sub(1).and_then(|i| body.get(i)) == Some(&b'\n'))
        .take(MAX_PARTS + 1)
        .collect();
    let length = delimiter.len();
    let ends: Vec<usize> = starts.iter().skip(1).copied().collect();
    starts.into_iter().zip(ends).filter_map(move |(start, end)| {
        let part = body.get(start + length..end)?;
        let part = part.strip_suffix(b"\n")?;
        Some(part.strip_suffix(b"\r").unwrap_or(part))
    })
}

/// The header lines and the content of a part that begins behind its delimiter.
fn split_part(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, lines) = lex::around(part, memchr::memchr(b'\n', part)?);
    if let [b'\r', b'\n', content @ ..] | [b'\n', content @ ..] = lines {
        return Some((b"", content));
    }
    let crlf = memmem::find(lines, b"\r\n\r\n").map(|at| (at, 4));
    let (at, blank) = crlf.or_else(|| memmem::find(lines, b"\n\n").map(|at| (at, 2)))?;
    Some((lines.get(..at)?, lines.get(at + blank..)?))
}

fn content_type(headers: &[u8]) -> Option<&[u8]> {
    headers.split(|b| *b == b'\n').find_map(|line| {
        let (name, value) = lex::around(line, memchr::memchr(b':', line)?);
        let name = lex::trim(name);
        let is_it = name.eq_ignore_ascii_case(b"Content-Type") || name.eq_ignore_ascii_case(b"c");
        is_it.then(|| lex::trim(value))
    })
}
