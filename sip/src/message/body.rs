//! Bodies of several parts (RFC 2046 §5.1, RFC 5621).

use memchr::memmem;

use super::{
    MediaType, Message, lex,
    limits::{MAX_MULTIPART_DEPTH, MAX_PARTS},
};

impl<'a> Message<'a> {
    /// The body of that media type: the whole body, or the first such part of a `multipart` one
    /// (a gateway sends SDP together with ISUP so), parts within parts included down to
    /// [`MAX_MULTIPART_DEPTH`].
    pub fn body_of(&self, kind: &str, subtype: &str) -> Option<&'a [u8]> {
        let body = self.body();
        if body.is_empty() {
            return None;
        }
        find(self.content_type().ok()??, body, (kind, subtype), MAX_MULTIPART_DEPTH)
    }

    /// The session description: of the type `application/sdp`, or a body without Content-Type,
    /// since there are phones that forget it.
    pub fn session_description(&self) -> Option<&'a [u8]> {
        match self.content_type() {
            Ok(None) => Some(self.body()).filter(|body| !body.is_empty()),
            Ok(Some(_)) => self.body_of("application", "sdp"),
            Err(_) => None,
        }
    }

    /// How deep the parts of the body are nested: 0 for a plain one. Not more than one level
    /// beyond [`MAX_MULTIPART_DEPTH`] is looked at.
    pub fn multipart_depth(&self) -> usize {
        match self.content_type() {
            Ok(Some(media_type)) => depth(media_type, self.body(), MAX_MULTIPART_DEPTH + 1),
            Ok(None) | Err(_) => 0,
        }
    }
}

fn find<'a>(
    media_type: MediaType<'_>,
    body: &'a [u8],
    wanted: (&str, &str),
    levels: usize,
) -> Option<&'a [u8]> {
    if media_type.is(wanted.0, wanted.1) {
        return Some(body);
    }
    if levels == 0 {
        return None;
    }
    let delimiter = delimiter(&media_type)?;
    parts(body, &delimiter).find_map(|part| {
        let (headers, content) = split_part(part)?;
        find(MediaType::parse(content_type(headers)?).ok()?, content, wanted, levels - 1)
    })
}

fn depth(media_type: MediaType<'_>, body: &[u8], levels: usize) -> usize {
    let (Some(delimiter), 1..) = (delimiter(&media_type), levels) else { return 0 };
    let below = parts(body, &delimiter).filter_map(|part| {
        let (headers, content) = split_part(part)?;
        let media_type = MediaType::parse(content_type(headers)?).ok()?;
        Some(depth(media_type, content, levels - 1))
    });
    1 + below.max().unwrap_or(0)
}

/// What stands before each part, if there are parts.
fn delimiter(media_type: &MediaType<'_>) -> Option<Vec<u8>> {
    if !media_type.kind.eq_ignore_ascii_case("multipart") {
        return None;
    }
    let boundary = media_type.params.find("boundary")?;
    Some(format!("--{}", boundary.unquoted()).into_bytes())
}

/// What stands between delimiters, which are whole lines. A last part without its end is taken as
/// it is.
fn parts<'a>(body: &'a [u8], delimiter: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let length = delimiter.len();
    let is_line = |at: usize| {
        let begins = at == 0 || at.checked_sub(1).and_then(|i| body.get(i)) == Some(&b'\n');
        // A longer boundary may begin like this one.
        let next = body.get(at + length);
        begins && next.is_none_or(|b| matches!(b, b'\r' | b'\n' | b' ' | b'\t' | b'-'))
    };
    let starts: Vec<usize> =
        memmem::find_iter(body, delimiter).filter(|at| is_line(*at)).take(MAX_PARTS + 1).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([body.len()]).collect();
    starts.into_iter().zip(ends).filter_map(move |(start, end)| {
        let part = body.get(start + length..end)?;
        if part.starts_with(b"--") {
            return None;
        }
        let part = part.strip_suffix(b"\n").unwrap_or(part);
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
