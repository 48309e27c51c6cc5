//! Lists by page: the newest first, behind a cursor that means nothing to a client.

use axum::{
    Json,
    http::{StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use url::form_urlencoded;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::store::{Place, Slice, Span, Time};

/// Rows of a page when the client does not say.
const DEFAULT_LIMIT: u32 = 50;
/// Rows of the largest page.
const MAX_LIMIT: u32 = 100;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// The rows, the newest first.
    items: Vec<T>,
    /// Where the next page is; null on the last one.
    next: Option<String>,
}

/// A moment in a query, RFC 3339.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(Time);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // A plus that was not escaped arrives as a blank.
        let text = text.replace(' ', "+");
        let time: jiff::Timestamp = text.parse().map_err(|_| {
            D::Error::custom("a time must be written as in RFC 3339, like 2026-01-31T18:00:00Z")
        })?;
        Ok(Self(Time(time.as_microsecond())))
    }
}

/// The time between two moments.
pub(super) fn span(since: Option<Moment>, until: Option<Moment>) -> Span {
    Span { since: since.map(|m| m.0), until: until.map(|m| m.0) }
}

/// The part of a list that a query asks for, and one row more, which tells whether there is a next
/// page.
pub(super) fn slice(cursor: Option<&str>, limit: Option<u32>) -> Result<Slice, Problem> {
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("limit must be from 1 to {MAX_LIMIT}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let after = match cursor {
        None => None,
        Some(text) => Some(place(text).ok_or_else(|| {
            let detail = "cursor must be taken from the next of another page";
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?),
    };
    Ok(Slice { after, limit: limit + 1 })
}

fn place(cursor: &str) -> Option<Place> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (at, id) = std::str::from_utf8(&bytes).ok()?.split_once('.')?;
    Some(Place { at: Time(at.parse().ok()?), id: id.parse().ok()? })
}

fn cursor(place: Place) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{}.{}", place.at.0, place.id))
}

/// A page of what was read for a [`slice`].
pub(super) fn page<T, V>(
    uri: &Uri,
    slice: Slice,
    mut rows: Vec<(Place, T)>,
    view: impl Fn(&T) -> V,
) -> Json<List<V>> {
    let limit = usize::try_from(slice.limit.saturating_sub(1)).unwrap_or(usize::MAX);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|(place, _)| link(uri, *place));
    Json(List { items: rows.iter().map(|(_, row)| view(row)).collect(), next })
}

/// The same request with another cursor.
fn link(uri: &Uri, place: Place) -> String {
    let given = form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(given.filter(|(name, _)| name != "cursor"))
        .append_pair("cursor", &cursor(place))
        .finish();
    format!("{}?{query}", uri.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_that_it_was_made_of_and_others_are_refused() {
        for known in [Place { at: Time(0), id: i64::MAX }, Place { at: Time(-1), id: 1 }] {
            assert_eq!(place(&cursor(known)), Some(known));
        }
        for strange in ["", "%", "MQ", "MS4", "1.2", &"A".repeat(1000)] {
            assert_eq!(place(strange), None, "{strange}");
        }
    }

    #[test]
    fn the_next_page_is_asked_for_with_the_same_filters() {
        let uri: Uri = "/api/v2/calls?number=%2B12025550100&cursor=x&limit=2".parse().unwrap();
        let next = link(&uri, Place { at: Time(1), id: 2 });
        assert_eq!(next, "/api/v2/calls?number=%2B12025550100&limit=2&cursor=MS4y");
    }
}
