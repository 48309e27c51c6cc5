//! The bodies of requests: how large, how long, of which type.

use std::time::Duration;

use axum::{
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// Bytes of a request's body.
const MAX_BODY: usize = 64 * 1024;
/// So long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request that has been read.
pub(super) struct Sent {
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

impl Sent {
    /// Reads a request whose body must be JSON.
    pub(super) async fn read(request: Request) -> Result<Self, Problem> {
        let content_type =
            request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let media_type = content_type.unwrap_or("").split(';').next().unwrap_or("").trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            let detail = "send the body as application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        Self::read_any(request).await
    }

    /// Reads a request whatever its media type says.
    async fn read_any(request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_BODY))
            .await
            .map_err(|_| {
                Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to come")
            })?
            .map_err(|_| {
                let detail = format!("the body is cut off, or has more than {MAX_BODY} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
            })?;
        Ok(Self { headers: parts.headers, bytes })
    }

    /// What the body says.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.bytes).map_err(|e| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is not as expected: {e}"))
        })
    }
}

/// The body of a request, which must be JSON.
pub(super) async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    Sent::read(request).await?.json()
}

/// The body of a request, which must be JSON whatever its media type says: carriers have types of
/// their own.
pub(super) async fn any_json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    Sent::read_any(request).await?.json()
}
