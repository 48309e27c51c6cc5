//! Values that no log, error or panic message may show.

use std::fmt;

/// A password, key or token. `Debug` and `Display` hide it, so that a log line or an error that
/// happens to contain it, even deep inside another value, shows nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Hides a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one place that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

/// Compares in a time that does not tell where the first difference is: for what somebody sends to
/// prove that he knows a secret.
pub(crate) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "(hidden)";

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl<T> fmt::Display for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_formatting_shows_a_secret() {
        let secret = Secret::new("canary-7f3a".to_owned());
        let shown = format!("{secret} {secret:?} {:#?}", Some(&secret));
        assert!(!shown.contains("canary"), "{shown}");
        assert_eq!(secret.expose(), "canary-7f3a");
    }
}
