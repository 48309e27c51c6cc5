//! PUT, PATCH and DELETE from a page: HTML forms can only GET and POST, so a form of ours says in the
//! field `_method` what it means.
//!
//! Only a form of a browser's session is read so, and only where POST is nothing else: what a
//! client with a token sends means what it says. The session's secret is checked as for any change.

use axum::http::{HeaderMap, header};
use url::form_urlencoded;

/// The field that says the method.
pub(super) const FIELD: &str = "_method";
/// The methods that it may say.
pub(super) const METHODS: [&str; 3] = ["PUT", "PATCH", "DELETE"];

/// The method that a posted form means, and its other fields; `None` if it is no such form. Of a
/// PATCH, fields that were left empty stay as they are.
pub(super) fn meant(headers: &HeaderMap, body: &[u8]) -> Option<(&'static str, Vec<u8>)> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let fields = || form_urlencoded::parse(body);
    let (_, said) = fields().find(|(name, _)| name == FIELD)?;
    let method = METHODS.into_iter().find(|method| *method == said)?;
    let kept =
        fields().filter(|(name, value)| name != FIELD && (method != "PATCH" || !value.is_empty()));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
    Some((method, body.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: &'static str, body: &str) -> Option<(&'static str, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let (method, body) = meant(&headers, body.as_bytes())?;
        Some((method, String::from_utf8(body).unwrap()))
    }

    #[test]
    fn only_a_form_that_names_one_of_three_methods_means_another_one() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(read(form, "a=1&b=&_method=PUT"), Some(("PUT", "a=1&b=".to_owned())));
        assert_eq!(read(form, "a=1&b=&_method=PATCH"), Some(("PATCH", "a=1".to_owned())));
        assert_eq!(read(form, "_method=DELETE"), Some(("DELETE", String::new())));
        for body in ["", "a=1", "_method=GET", "_method=put", "_method="] {
            assert_eq!(read(form, body), None, "{body}");
        }
        assert_eq!(read("application/json", "_method=PUT"), None);
        assert_eq!(read("multipart/form-data", "_method=PUT"), None);
    }
}
