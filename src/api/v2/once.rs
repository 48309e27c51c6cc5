//! `Idempotency-Key`: a request that costs money is done once, however often its client sends it.
//!
//! | the key | the body | answer |
//! |---|---|---|
//! | is new | | the request is done, and its answer kept for a day |
//! | is known | the same | the kept answer, with `Idempotency-Replayed: true` |
//! | is known | another | 422 |
//! | its request is being done | the same | 409 |
//! | the service ended meanwhile | the same | 409: nobody knows whether it was done |
//!
//! An answer that says "not now" (408, 429, 503) is not kept: the client may try again under the
//! same key.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};

use super::{body::Sent, problem::Problem};
use crate::{
    api::Api,
    store::{Authenticated, KeptAnswer, KeyClaim, KeyedRequest, Store},
};

/// The header.
pub(super) const KEY: &str = "idempotency-key";
/// Characters of a key.
const MAX_KEY: usize = 255;
/// Bytes of an answer that is kept; ours have a hundredth of that.
const MAX_ANSWER: usize = 1024 * 1024;

/// Does a request once. The work goes on when its client leaves.
pub(super) async fn once(
    api: &Api,
    who: &Authenticated,
    operation: &'static str,
    sent: &Sent,
    work: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    let Some(key) = key(&sent.headers)? else { return spawned(work).await };
    let request = KeyedRequest {
        user: who.user,
        operation,
        key,
        body_sha256: Sha256::digest(&sent.bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    let conflict = |detail: &str| Err(Problem::new(StatusCode::CONFLICT, detail));
    match api.store().claim_key(&request).await? {
        KeyClaim::New => {
            let store = api.store().clone();
            spawned(async move { done(&store, &request, spawned(work).await).await }).await
        }
        KeyClaim::InFlight => {
            conflict("the request with this Idempotency-Key is being done; try again in a moment")
        }
        KeyClaim::Interrupted => conflict(
            "the service ended while the request with this Idempotency-Key was being done; look \
             whether it was, before you send it under another key",
        ),
        KeyClaim::OtherBody => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for another body",
        )),
        KeyClaim::Done(answer) => {
            let mut response = replayed(answer);
            let yes = HeaderValue::from_static("true");
            response.headers_mut().insert("idempotency-replayed", yes);
            Ok(response)
        }
        KeyClaim::Full => Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "you have used too many Idempotency-Keys within a day; reuse none, and send fewer",
        )
        .retry_after(3600)),
    }
}

async fn spawned(
    work: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

/// The client's key; `None` without the header.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let refused = || {
        let detail =
            format!("Idempotency-Key must be one header of 1 to {MAX_KEY} ASCII characters");
        Problem::new(StatusCode::BAD_REQUEST, detail)
    };
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| refused())?.trim();
    match values.next().is_none() && (1..=MAX_KEY).contains(&text.len()) {
        true => Ok(Some(text.to_owned())),
        false => Err(refused()),
    }
}

/// Keeps the answer, or forgets the key.
async fn done(
    store: &Store,
    request: &KeyedRequest,
    result: Result<Response, Problem>,
) -> Result<Response, Problem> {
    let (parts, body) = result.unwrap_or_else(|problem| problem.into_response()).into_parts();
    let bytes = to_bytes(body, MAX_ANSWER).await.map_err(|error| Problem::internal(&error))?;
    let not_now = matches!(
        parts.status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
    );
    if not_now {
        store.free_key(request).await?;
    } else {
        let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let answer = KeptAnswer {
            status: parts.status.as_u16(),
            content_type: text(header::CONTENT_TYPE).unwrap_or_default(),
            location: text(header::LOCATION),
            body: String::from_utf8_lossy(&bytes).into_owned(),
        };
        store.keep_answer(request, &answer).await?;
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

fn replayed(answer: KeptAnswer) -> Response {
    let KeptAnswer { status, content_type, location, body } = answer;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&content_type) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Some(Ok(location)) = location.map(|location| HeaderValue::from_str(&location)) {
        headers.insert(header::LOCATION, location);
    }
    response
}
