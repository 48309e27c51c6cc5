//! Which bytes of a file a client wants (RFC 9110 §14).
//!
//! One range of bytes is served. More than one, another unit, and what cannot be read count as no
//! range, as the RFC permits: then the whole file is sent.

/// What a `Range` header comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file.
    All,
    /// From the first byte to the last, both included.
    Part(u64, u64),
    /// Nothing that the file has.
    Nothing,
}

/// The part of a file of `length` bytes that the header names.
pub(super) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Wanted::All;
    };
    let Some((first, last)) = range.trim().split_once('-') else { return Wanted::All };
    let number = |text: &str| match text.bytes().all(|b| b.is_ascii_digit()) {
        // Too many digits are more than any file has.
        true => Some(text.parse::<u64>().unwrap_or(u64::MAX)),
        false => None,
    };
    let (Some(from), Some(to)) = (number(first), number(last)) else { return Wanted::All };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => Wanted::All,
        // The last so many bytes.
        (true, false) if to == 0 || length == 0 => Wanted::Nothing,
        (true, false) => Wanted::Part(length.saturating_sub(to), length - 1),
        (false, false) if to < from => Wanted::All,
        (false, _) if from >= length => Wanted::Nothing,
        (false, true) => Wanted::Part(from, length - 1),
        (false, false) => Wanted::Part(from, to.min(length - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_bytes_is_cut_to_the_file() {
        for (header, expected) in [
            ("bytes=0-499", Wanted::Part(0, 499)),
            ("bytes=500-", Wanted::Part(500, 999)),
            ("bytes=-200", Wanted::Part(800, 999)),
            ("bytes=-5000", Wanted::Part(0, 999)),
            ("bytes=999-99999999999999999999999", Wanted::Part(999, 999)),
            ("bytes=1000-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(Some(header), 1000), expected, "{header}");
        }
        assert_eq!(wanted(None, 1000), Wanted::All);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
        assert_eq!(wanted(Some("bytes=-1"), 0), Wanted::Nothing);
    }
}
