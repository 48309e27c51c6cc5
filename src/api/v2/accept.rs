//! Content negotiation (RFC 9110 §12.5.1): which of the forms that we have a client takes.

use axum::{
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::problem::Problem;

/// Entries of an `Accept` header that are looked at.
const MAX_RANGES: usize = 32;

/// Refuses requests that do not take JSON.
pub(super) async fn json(request: Request, next: Next) -> Response {
    only("application/json", request, next).await
}

/// Refuses requests that do not take server-sent events.
pub(super) async fn events(request: Request, next: Next) -> Response {
    only("text/event-stream", request, next).await
}

/// Refuses requests that do not take recordings.
pub(super) async fn audio(request: Request, next: Next) -> Response {
    only("audio/wav", request, next).await
}

async fn only(kind: &'static str, request: Request, next: Next) -> Response {
    match choose(request.headers(), &[kind]) {
        Some(_) => next.run(request).await,
        None => refused(&[kind]).into_response(),
    }
}

/// The answer to a client that takes none of these.
pub(super) fn refused(kinds: &[&str]) -> Problem {
    let detail = format!("this is to be had as {} only", kinds.join(", "));
    Problem::new(StatusCode::NOT_ACCEPTABLE, detail)
}

/// The form that a client likes best, by its place among those offered; of several the first.
/// `None` if it takes none. Without the header it takes all.
pub(super) fn choose(headers: &HeaderMap, offered: &[&str]) -> Option<usize> {
    let lines = headers.get_all(header::ACCEPT).iter();
    let text: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let text = text.join(",");
    let ranges: Vec<(&str, u16)> = text.split(',').take(MAX_RANGES).filter_map(range).collect();
    if ranges.is_empty() {
        return (!offered.is_empty()).then_some(0);
    }
    let mut best: Option<(u16, usize)> = None;
    for (place, kind) in offered.iter().enumerate() {
        let quality = quality(&ranges, kind);
        if quality > 0 && best.is_none_or(|(known, _)| quality > known) {
            best = Some((quality, place));
        }
    }
    best.map(|(_, place)| place)
}

/// A media range and its weight in thousandths.
fn range(entry: &str) -> Option<(&str, u16)> {
    let mut parts = entry.split(';').map(str::trim);
    let kind = parts.next().filter(|kind| kind.contains('/'))?;
    let weight = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    let weight: f32 = weight.map_or(Some(1.0), |weight| weight.trim().parse().ok())?;
    // A cast from a float saturates.
    Some((kind, (weight.clamp(0.0, 1.0) * 1000.0) as u16))
}

/// The weight of the most exact range that a type is in.
fn quality(ranges: &[(&str, u16)], kind: &str) -> u16 {
    let major = kind.split('/').next().unwrap_or(kind);
    let exactness = |range: &str| match range {
        range if range.eq_ignore_ascii_case(kind) => Some(3),
        "*/*" => Some(1),
        range => {
            let of = range.strip_suffix("/*")?;
            of.eq_ignore_ascii_case(major).then_some(2)
        }
    };
    let fitting = ranges.iter().filter_map(|(range, weight)| Some((exactness(range)?, *weight)));
    fitting.max_by_key(|(exact, _)| *exact).map_or(0, |(_, weight)| weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(accept: &str) -> Option<usize> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        choose(&headers, &["application/json", "text/csv", "text/plain"])
    }

    #[test]
    fn the_form_with_the_highest_weight_is_chosen_and_of_equals_the_first() {
        for (accept, expected) in [
            ("*/*", Some(0)),
            ("text/csv", Some(1)),
            ("TEXT/CSV; charset=utf-8", Some(1)),
            ("text/*", Some(1)),
            ("application/json;q=0.2, text/plain;q=0.9", Some(2)),
            ("text/*, text/csv;q=0", Some(2)),
            ("application/xml", None),
            ("application/json;q=0", None),
            ("nonsense", Some(0)),
            ("", Some(0)),
        ] {
            assert_eq!(chosen(accept), expected, "{accept:?}");
        }
        assert_eq!(choose(&HeaderMap::new(), &["a/b"]), Some(0));
    }
}
