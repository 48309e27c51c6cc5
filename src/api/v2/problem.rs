//! Errors as `application/problem+json` (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{api::DialError, store::StoreError};

/// What a problem looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemBody {
    /// The status says all that there is to a type (RFC 9457 §4.2.1).
    #[schema(example = "about:blank")]
    r#type: String,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do.
    detail: String,
}

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    /// When to try again.
    retry_after_s: Option<u32>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), retry_after_s: None }
    }

    /// Something unforeseen: told to the log with an id; the client gets the id only.
    pub(super) fn internal(error: &dyn std::fmt::Display) -> Self {
        let id = Uuid::new_v4();
        tracing::error!(%id, %error, "A request to the API failed.");
        let detail = format!("something went wrong here; the log has it under {id}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<DialError> for Problem {
    fn from(error: DialError) -> Self {
        let detail = error.to_string();
        match error {
            DialError::NotReady => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5)
            }
            DialError::Busy(_) => Self::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(5),
            DialError::Refused(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
        }
    }
}
