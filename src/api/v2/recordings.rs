//! Recordings of calls and of prompts, whole or in part.
//!
//! Which file it is stands in the database; no part of a request becomes a path. Even so only files
//! below `recordings/` in the data directory are sent, after links were followed.

use std::{
    io::SeekFrom,
    path::{Component, Path as FilePath, PathBuf},
    time::SystemTime,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};

use super::{
    Who,
    calls::find,
    etag,
    extract::Path,
    problem::{Problem, ProblemBody},
    range::{self, Wanted},
};
use crate::{api::Api, store::MenuId};

/// The directory of all recordings, below the data directory.
const RECORDINGS: &str = "recordings";
/// Bytes that are read at a time.
const CHUNK: usize = 64 * 1024;

/// The recording of a call: on the left what we heard, on the right what we sent.
#[utoipa::path(get, path = "/api/v2/calls/{id}/recording", tag = "v2", params(("id" = String, Path),
        ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header)),
    responses((status = 200, body = Vec<u8>, content_type = "audio/wav"),
        (status = 206, body = Vec<u8>, content_type = "audio/wav"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn of_call(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let call = find(&api, &id).await?;
    let file = call.recording.ok_or_else(missing)?;
    if call.ended_at.is_none() {
        let detail = "the call is not over, and its recording not complete";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    send(&api, &file, &headers).await
}

/// The recording of a prompt, by the id of its node in a tree.
#[utoipa::path(get, path = "/api/v2/prompts/{id}/recording", tag = "v2", params(("id" = i64, Path),
        ("Range" = Option<String>, Header), ("If-Range" = Option<String>, Header)),
    responses((status = 200, body = Vec<u8>, content_type = "audio/wav"),
        (status = 206, body = Vec<u8>, content_type = "audio/wav"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, body = ProblemBody, content_type = "application/problem+json")))]
pub(super) async fn of_prompt(
    State(api): State<Api>,
    _who: Who,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let menu = id.parse().map(MenuId).map_err(|_| missing())?;
    let file = api.store().menu_recording(menu).await?.ok_or_else(missing)?;
    send(&api, &file, &headers).await
}

fn missing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such recording")
}

/// A recording that can be sent.
struct Found {
    file: File,
    length: u64,
    tag: String,
    modified: Option<String>,
}

async fn send(api: &Api, file: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let found = open(api.store().dir(), file).await.ok_or_else(missing)?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| etag::matches(known, &found.tag)) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        describe(&mut response, &found);
        return Ok(response);
    }
    // A part is of use only if the client's other parts are of the same file (§13.1.5).
    let is_same = text(header::IF_RANGE)
        .is_none_or(|known| known == found.tag || Some(known) == found.modified.as_deref());
    let range = text(header::RANGE).filter(|_| is_same);
    let (status, from, to) = match range::wanted(range, found.length) {
        Wanted::All => (StatusCode::OK, 0, found.length),
        Wanted::Part(first, last) => (StatusCode::PARTIAL_CONTENT, first, last + 1),
        Wanted::Nothing => {
            let detail = format!("the recording has {} bytes", found.length);
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
            let mut response = problem.into_response();
            let whole = format!("bytes */{}", found.length);
            insert(response.headers_mut(), header::CONTENT_RANGE, &whole);
            return Ok(response);
        }
    };
    let mut response = status.into_response();
    describe(&mut response, &found);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("audio/wav"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(to - from));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {from}-{}/{}", to - 1, found.length);
        insert(headers, header::CONTENT_RANGE, &part);
    }
    let mut file = found.file;
    file.seek(SeekFrom::Start(from)).await.map_err(|error| Problem::internal(&error))?;
    *response.body_mut() = Body::from_stream(stream::try_unfold((file, to - from), chunk));
    Ok(response)
}

/// The next bytes of a file of which so many are left to send.
async fn chunk((mut file, left): (File, u64)) -> std::io::Result<Option<(Bytes, (File, u64))>> {
    let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
    if most == 0 {
        return Ok(None);
    }
    let mut bytes = vec![0; most];
    let count = file.read(&mut bytes).await?;
    if count == 0 {
        // The file became shorter: the connection must break, for the length was promised.
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    bytes.truncate(count);
    Ok(Some((bytes.into(), (file, left - count as u64))))
}

fn describe(response: &mut Response, found: &Found) {
    let headers = response.headers_mut();
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    insert(headers, header::ETAG, &found.tag);
    if let Some(modified) = &found.modified {
        insert(headers, header::LAST_MODIFIED, modified);
    }
}

fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Opens a recording; `None` if there is none, or if it is not where recordings are.
async fn open(data_dir: &FilePath, file: &str) -> Option<Found> {
    let path = path_of(data_dir, file)?;
    let root = tokio::fs::canonicalize(data_dir.join(RECORDINGS)).await.ok()?;
    let path = tokio::fs::canonicalize(path).await.ok()?;
    if !path.starts_with(&root) {
        tracing::warn!("A recording in the database is not where recordings are; it is not sent.");
        return None;
    }
    let file = File::open(path).await.ok()?;
    let metadata = file.metadata().await.ok().filter(std::fs::Metadata::is_file)?;
    let modified = metadata.modified().ok();
    let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let tag = format!("\"{:x}-{:x}\"", metadata.len(), since.map_or(0, |since| since.as_nanos()));
    let modified = modified.and_then(|at| jiff::Timestamp::try_from(at).ok());
    // RFC 9110 §5.6.7: an IMF-fixdate.
    let modified = modified.map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    Some(Found { file, length: metadata.len(), tag, modified })
}

/// Where a recording would be, if its name is that of one.
fn path_of(data_dir: &FilePath, file: &str) -> Option<PathBuf> {
    let relative = FilePath::new(file);
    let is_plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let is_ours = relative.starts_with(RECORDINGS) && relative.extension()? == "wav";
    (is_plain && is_ours).then(|| data_dir.join(relative))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_below_the_recordings_are_paths() {
        let dir = FilePath::new("data");
        assert!(path_of(dir, "recordings/x/call.wav").is_some());
        for file in [
            "../secret.wav",
            "recordings/../phoneai.db",
            "recordings/../../x.wav",
            "/etc/passwd",
            "/recordings/x.wav",
            "./recordings/x.wav",
            "phoneai.db",
            "recordings/phoneai.db",
            "recordings",
            "",
        ] {
            assert_eq!(path_of(dir, file), None, "{file}");
        }
    }
}
