//! Query strings and paths, decoded and encoded as the old service's framework did it.

/// Parameters of a request; more are refused.
const MAX_PARAMETERS: usize = 1000;

/// The parameters of a query string in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes a query string; `None` if it has too many parameters.
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let parts = || raw.split('&').filter(|part| !part.is_empty());
        if parts().count() > MAX_PARAMETERS {
            return None;
        }
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        };
        Some(Self(parts().map(pair).collect()))
    }

    /// The value of a parameter; of a repeated one the last.
    pub(super) fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The query string with one parameter in the place of all with its name, or without it.
    /// Names are sorted, values of the same name keep their order.
    pub(super) fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut pairs: Vec<(String, String)> =
            self.0.iter().filter(|(n, _)| n != name).cloned().collect();
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Self(pairs)
    }

    /// Encoded as a form is.
    pub(super) fn encode(&self) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{}={}", form_encode(name), form_encode(value)))
            .collect();
        pairs.join("&")
    }
}

/// Turns `%41` into `A`; a `%` without two digits stays, what is not UTF-8 becomes U+FFFD.
pub(super) fn percent_decode(text: &str) -> String {
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%'
            && let (Some(high), Some(low)) = (hex(after.first()), hex(after.get(1)))
        {
            // Two hexadecimal digits are less than 256.
            bytes.push((high * 16 + low) as u8);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A path as it stands in a `Location` header.
pub(super) fn path_encode(path: &str) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::with_capacity(path.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"/_.-~!*'();:@&=+$,".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn form_encode(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'_' | b'.' | b'-' | b'~' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(raw: &str) -> String {
        Query::parse(raw).unwrap().with("limit", Some("2")).encode()
    }

    #[test]
    fn names_are_sorted_and_values_encoded_as_in_a_form() {
        assert_eq!(
            again("zeta=1&limit=9&alpha=b%20c&zeta=2&limit=7"),
            "alpha=b+c&limit=2&zeta=1&zeta=2"
        );
        assert_eq!(again("x=!*()~-._%3B&flag"), "flag=&limit=2&x=%21%2A%28%29~-._%3B");
    }

    #[test]
    fn what_is_not_utf_8_or_not_hexadecimal_is_no_error() {
        assert_eq!(percent_decode("%zz%4"), "%zz%4");
        assert_eq!(percent_decode("a%FFb"), "a\u{fffd}b");
        assert_eq!(percent_decode("%E2%98%8E"), "☎");
    }

    #[test]
    fn too_many_parameters_are_refused() {
        assert!(Query::parse(&"a&".repeat(MAX_PARAMETERS)).is_some());
        assert_eq!(Query::parse(&"a&".repeat(MAX_PARAMETERS + 1)), None);
    }
}
