//! One HTTP/1.1 request, sent exactly as a case describes it, and its answer read whole.

use std::collections::BTreeMap;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::case::{Request, Tokens};

/// Bytes of an answer.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, with names in lower case; repeated ones joined by ", ".
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Sends a request. No header is added but `Host`, `Content-Length` and `Connection`.
///
/// # Errors
/// In words, if there is no answer.
pub async fn send(address: &str, request: &Request, tokens: &Tokens) -> Result<Answer, String> {
    let body = request.bytes();
    let mut headers = request.filled(tokens);
    let has = |headers: &[(String, Vec<u8>)], name: &str| {
        headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    if !has(&headers, "host") {
        headers.insert(0, ("Host".to_owned(), address.as_bytes().to_vec()));
    }
    let carries = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    if !has(&headers, "content-length") && (body.is_some() || carries) {
        let length = body.as_ref().map_or(0, Vec::len);
        headers.push(("Content-Length".to_owned(), length.to_string().into_bytes()));
    }
    headers.push(("Connection".to_owned(), b"close".to_vec()));
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.path).into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: ").into_bytes());
        bytes.extend(value);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"\r\n");
    bytes.extend(body.unwrap_or_default());
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&bytes).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = answer.await.map_err(|error| format!("no answer: {error}"))?;
    read(&answer).ok_or_else(|| "no answer that is HTTP".to_owned())
}

fn read(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers
            .entry(name.trim().to_ascii_lowercase())
            .and_modify(|known| {
                known.push_str(", ");
                known.push_str(value.trim());
            })
            .or_insert_with(|| value.trim().to_owned());
    }
    let rest = bytes.get(end + 4..)?;
    let is_chunked = headers.get("transfer-encoding").is_some_and(|v| v.contains("chunked"));
    let body = if is_chunked { unchunk(rest)? } else { rest.to_vec() };
    Some(Answer { status, headers, body })
}

/// A body that came in chunks (RFC 9112 §7.1).
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 4 + size..)?;
    }
}
