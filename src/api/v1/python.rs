//! Integers and blanks in parameters, read as the old service's `int()` read them.

/// Zeros of the decimal digits (Unicode category Nd); each is followed by its nine others.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66,
    0xde6, 0xe50, 0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
    0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650,
    0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50,
    0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// The integer that `text` stands for: blanks around it, a sign, decimal digits of any script,
/// single underscores between them. One beyond the type's range is the end of the range.
pub(super) fn int(text: &str) -> Option<i128> {
    let text = strip(text);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut value: i128 = 0;
    let mut after_digit = false;
    for character in digits.chars() {
        if character == '_' && after_digit {
            after_digit = false;
            continue;
        }
        value = value.saturating_mul(10).saturating_add(digit(character)?);
        after_digit = true;
    }
    after_digit.then_some(if negative { -value } else { value })
}

/// The id in a path or query; `None` for what no row can have.
pub(super) fn row_id(text: &str) -> Option<i64> {
    int(text).and_then(|id| i64::try_from(id).ok())
}

/// The text without what Python takes for blanks at its ends.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c))
}

fn digit(character: char) -> Option<i128> {
    let code = u32::from(character);
    let zero = ZEROS.iter().rev().find(|zero| **zero <= code)?;
    (code - zero < 10).then(|| i128::from(code - zero))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_signs_underscores_and_other_scripts_are_read() {
        for (text, value) in
            [(" 3 ", 3), ("+3", 3), ("03", 3), ("1_0", 10), ("３", 3), ("-5", -5), ("\u{661}0", 10)]
        {
            assert_eq!(int(text), Some(value), "{text:?}");
        }
        assert_eq!(int("99999999999999999999"), Some(99_999_999_999_999_999_999));
    }

    #[test]
    fn what_is_no_integer_is_refused() {
        for text in ["", " ", "abc", "1.5", "0x3", "_1", "1_", "1__0", "+", "+-1", "1 2", "²"] {
            assert_eq!(int(text), None, "{text:?}");
        }
    }
}
