//! Bodies: JSON, forms, and forms in parts, read as the old service's framework read them.

use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{
    fields::Fields,
    input::{self, Input},
    query::percent_decode,
    reply::Refusal,
};

/// Bytes of a body; every honest one is a thousandth of it.
const MAX_BODY: usize = 2_621_440;
/// So long a client may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Fields of a form.
const MAX_FIELDS: usize = 1000;
/// Bytes of a part's head that are looked at.
const MAX_PART_HEAD: usize = 1024;

/// Reads a body whole.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, Refusal> {
    let whole = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Ok(Ok(bytes)) => Ok(bytes.to_bytes().to_vec()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge(MAX_BODY)),
        Ok(Err(_)) => Err(Refusal::CutOff),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// The fields of a body, by the type that its header says. An empty body has none, of any type.
pub(super) fn fields(headers: &HeaderMap, bytes: &[u8]) -> Result<Fields, Refusal> {
    let written = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |v| v.as_bytes());
    let written = String::from_utf8_lossy(written);
    let (kind, params) = media_type(&written);
    let (main, sub) = kind.split_once('/').unwrap_or((&kind, ""));
    let is = |m: &str, s: &str| (main == "*" || main == m) && (sub == "*" || sub == s);
    if bytes.is_empty() {
        let is_form = matches!(
            (main, sub),
            ("application", "x-www-form-urlencoded") | ("multipart", "form-data")
        );
        return match is_form {
            true => Ok(Fields::of_form(Vec::new())),
            false => Fields::of_json(Input::Dict(Vec::new())),
        };
    }
    if is("application", "json") {
        return Fields::of_json(json(bytes)?);
    }
    if is("application", "x-www-form-urlencoded") {
        return Ok(Fields::of_form(form(bytes)?));
    }
    if is("multipart", "form-data") {
        let boundary = params.into_iter().find(|(name, _)| name == "boundary");
        return Ok(Fields::of_form(parts(bytes, boundary.map(|(_, value)| value))?));
    }
    Err(Refusal::MediaType(written.into_owned()))
}

/// The JSON value of a body.
fn json(bytes: &[u8]) -> Result<Input, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        Refusal::Parse(format!("JSON parse error - {}", not_utf8(bytes, error)))
    })?;
    input::parse(text).map_err(|error| Refusal::Parse(format!("JSON parse error - {error}")))
}

/// Where a text is not UTF-8, in Python's words.
fn not_utf8(bytes: &[u8], error: std::str::Utf8Error) -> String {
    let at = error.valid_up_to();
    let byte = bytes.get(at).copied().unwrap_or(0);
    let length = error.error_len();
    let reason = match (length, byte) {
        (None, _) => "unexpected end of data",
        (Some(1), 0x80..=0xc1 | 0xf5..=0xff) => "invalid start byte",
        (Some(_), _) => "invalid continuation byte",
    };
    let length = length.unwrap_or(bytes.len().saturating_sub(at));
    if length > 1 {
        return format!(
            "'utf-8' codec can't decode bytes in position {at}-{}: {reason}",
            at + length - 1
        );
    }
    format!("'utf-8' codec can't decode byte 0x{byte:02x} in position {at}: {reason}")
}

/// The fields of an URL-encoded form.
fn form(bytes: &[u8]) -> Result<Vec<(String, Input)>, Refusal> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // As the framework did it: each byte is a character of Latin-1.
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    };
    let decode = |text: &str| percent_decode(&text.replace('+', " "));
    let fields: Vec<_> = text
        .split('&')
        .filter(|field| !field.is_empty())
        .take(MAX_FIELDS + 1)
        .map(|field| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            (decode(name), Input::Text(decode(value).into()))
        })
        .collect();
    if fields.len() > MAX_FIELDS { Err(Refusal::TooManyFields(MAX_FIELDS)) } else { Ok(fields) }
}

/// The fields of a form in parts (RFC 7578). What the framework did not understand it left out, and
/// so do we.
fn parts(bytes: &[u8], boundary: Option<String>) -> Result<Vec<(String, Input)>, Refusal> {
    let valid = |boundary: &String| {
        (1..=201).contains(&boundary.len())
            && boundary.bytes().all(|b| (b' '..=b'~').contains(&b))
            && !boundary.ends_with(' ')
    };
    let Some(boundary) = boundary.as_ref().filter(|b| valid(b)) else {
        let shown = boundary.filter(|b| !b.is_empty()).unwrap_or_else(|| "None".to_owned());
        let message = format!("Invalid boundary in multipart: {shown}");
        return Err(Refusal::Parse(format!("Multipart form parse error - {message}")));
    };
    let separator = format!("--{boundary}").into_bytes();
    let mut fields = Vec::new();
    let mut files = Vec::new();
    let mut rest = bytes;
    let mut inside = false;
    while let Some(at) = find(rest, &separator) {
        let part = rest.get(..at).unwrap_or_default();
        let part = part.strip_suffix(b"\n").map_or(part, |p| p.strip_suffix(b"\r").unwrap_or(p));
        if inside {
            match field(part) {
                Some((name, file @ Input::File(_))) => files.push((name, file)),
                Some(field) => fields.push(field),
                None => {}
            }
            if fields.len() + files.len() > MAX_FIELDS {
                return Err(Refusal::TooManyFields(MAX_FIELDS));
            }
        }
        inside = true;
        rest = rest.get(at + separator.len()..).unwrap_or_default();
    }
    if inside && let Some(field) = field(rest) {
        fields.push(field);
    }
    // Files win over fields of the same name.
    fields.extend(files);
    Ok(fields)
}

/// A part's field: its head, an empty line, its value.
fn field(part: &[u8]) -> Option<(String, Input)> {
    let end = find(part, b"\r\n\r\n").filter(|end| *end <= MAX_PART_HEAD)?;
    let head = String::from_utf8_lossy(part.get(..end)?).into_owned();
    let value = String::from_utf8_lossy(part.get(end + 4..)?).into_owned();
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    })?;
    let (_, params) = media_type(disposition);
    let param = |name: &str| params.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let name = param("name")?.trim().to_owned();
    Some(match param("filename").filter(|file| !file.is_empty()) {
        Some(file) => (name, Input::File(file)),
        None => (name, Input::Text(value.into())),
    })
}

/// A header's main value in lower case, and its parameters.
fn media_type(written: &str) -> (String, Vec<(String, String)>) {
    let mut pieces = written.split(';');
    let kind = pieces.next().unwrap_or("").trim().to_lowercase();
    let params = pieces.filter_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        Some((name.trim().to_lowercase(), value.trim().trim_matches('"').to_owned()))
    });
    (kind, params.collect())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len().max(1)).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_utf_8_is_refused_in_pythons_words() {
        for (bytes, message) in [
            (&b"{\"a\": \"\xff\"}"[..], "byte 0xff in position 7: invalid start byte"),
            (b"\"\xe9a\"", "byte 0xe9 in position 1: invalid continuation byte"),
            (b"\"\xe9", "byte 0xe9 in position 1: unexpected end of data"),
            (b"\"\xe2\x98", "bytes in position 1-2: unexpected end of data"),
        ] {
            let Err(Refusal::Parse(told)) = json(bytes) else { panic!("{bytes:?}") };
            assert_eq!(told, format!("JSON parse error - 'utf-8' codec can't decode {message}"));
        }
    }

    #[test]
    fn parts_are_fields_and_files() {
        let body = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--xyz\r\n\
            Content-Disposition: form-data; name=\"b\"; filename=\"f.txt\"\r\n\r\nhi\r\n--xyz--\r\n";
        assert_eq!(
            parts(body, Some("xyz".to_owned())).unwrap(),
            [
                ("a".to_owned(), Input::Text("1\r\n2".to_owned().into())),
                ("b".to_owned(), Input::File("f.txt".to_owned())),
            ]
        );
        for boundary in [None, Some(String::new()), Some("ends with a blank ".to_owned())] {
            assert!(parts(body, boundary).is_err());
        }
    }
}
