//! JSON as the old service's Python read it: what it accepted, and in which words it refused.

use std::fmt;

/// Levels of lists and objects in each other. Python's own stack ended somewhat later.
const MAX_DEPTH: usize = 900;

/// Text, in which JSON's escapes may have put half of a surrogate pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// The text, with U+FFFD in the place of each such half.
    pub(super) text: String,
    /// The first half that has no other.
    pub(super) surrogate: Option<u16>,
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text, surrogate: None }
    }
}

/// A value that a client sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Null,
    Bool(bool),
    /// As Python prints it, of any length.
    Int(String),
    Float(f64),
    Text(Text),
    List(Vec<Self>),
    /// Members in their order; of a repeated name the last value, at the first's place.
    Dict(Vec<(String, Self)>),
    /// An uploaded file, of which only the name is kept.
    File(String),
}

impl Input {
    /// The name of its type in Python.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Dict(_) => "dict",
            Self::File(_) => "InMemoryUploadedFile",
        }
    }
}

/// Why a text is no JSON: Python's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Result<Input, Malformed> {
    let parser = Parser { text };
    if text.starts_with('\u{feff}') {
        return Err(parser.error("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0));
    }
    let (value, end) = parser.value(parser.blanks(0), 0)?;
    let end = parser.blanks(end);
    if end < text.len() {
        return Err(parser.error("Extra data", end));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
}

type Step<T> = Result<(T, usize), Malformed>;

impl Parser<'_> {
    /// A message with its place; `at` is a byte's index, lines and columns count characters.
    fn error(&self, message: &str, at: usize) -> Malformed {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let character = before.chars().count();
        Malformed(format!("{message}: line {line} column {column} (char {character})"))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// The first place from `at` on that is not blank.
    fn blanks(&self, mut at: usize) -> usize {
        while matches!(self.byte(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            at += 1;
        }
        at
    }

    fn value(&self, at: usize, depth: usize) -> Step<Input> {
        if depth > MAX_DEPTH {
            return Err(Malformed(format!("More than {MAX_DEPTH} levels")));
        }
        let rest = self.text.get(at..).unwrap_or("");
        for (word, value) in
            [("null", Input::Null), ("true", Input::Bool(true)), ("false", Input::Bool(false))]
        {
            if rest.starts_with(word) {
                return Ok((value, at + word.len()));
            }
        }
        for word in ["NaN", "Infinity", "-Infinity"] {
            if rest.starts_with(word) {
                let message = "Out of range float values are not JSON compliant";
                return Err(Malformed(format!("{message}: '{word}'")));
            }
        }
        match self.byte(at) {
            Some(b'"') => self.string(at).map(|(text, end)| (Input::Text(text), end)),
            Some(b'{') => self.object(at + 1, depth),
            Some(b'[') => self.list(at + 1, depth),
            Some(_) | None => self.number(at).ok_or_else(|| self.error("Expecting value", at)),
        }
    }

    fn object(&self, at: usize, depth: usize) -> Step<Input> {
        let mut members: Vec<(String, Input)> = Vec::new();
        let mut at = self.blanks(at);
        if self.byte(at) == Some(b'}') {
            return Ok((Input::Dict(members), at + 1));
        }
        loop {
            if self.byte(at) != Some(b'"') {
                let message = "Expecting property name enclosed in double quotes";
                return Err(self.error(message, at));
            }
            let (name, end) = self.string(at)?;
            at = self.blanks(end);
            if self.byte(at) != Some(b':') {
                return Err(self.error("Expecting ':' delimiter", at));
            }
            let (value, end) = self.value(self.blanks(at + 1), depth + 1)?;
            members.push((name.text, value));
            at = self.blanks(end);
            match self.byte(at) {
                Some(b'}') => return Ok((Input::Dict(members), at + 1)),
                Some(b',') => at = self.blanks(at + 1),
                Some(_) | None => return Err(self.error("Expecting ',' delimiter", at)),
            }
        }
    }

    fn list(&self, at: usize, depth: usize) -> Step<Input> {
        let mut items = Vec::new();
        let mut at = self.blanks(at);
        if self.byte(at) == Some(b']') {
            return Ok((Input::List(items), at + 1));
        }
        loop {
            let (value, end) = self.value(at, depth + 1)?;
            items.push(value);
            at = self.blanks(end);
            match self.byte(at) {
                Some(b']') => return Ok((Input::List(items), at + 1)),
                Some(b',') => at = self.blanks(at + 1),
                Some(_) | None => return Err(self.error("Expecting ',' delimiter", at)),
            }
        }
    }

    /// The string whose opening quote is at `begin`.
    fn string(&self, begin: usize) -> Step<Text> {
        let mut text = Text::default();
        let mut at = begin + 1;
        loop {
            let Some(character) = self.text.get(at..).and_then(|rest| rest.chars().next()) else {
                return Err(self.error("Unterminated string starting at", begin));
            };
            match character {
                '"' => return Ok((text, at + 1)),
                '\\' => at = self.escape(at, begin, &mut text)?,
                '\0'..='\u{1f}' => return Err(self.error("Invalid control character at", at)),
                _ => {
                    text.text.push(character);
                    at += character.len_utf8();
                }
            }
        }
    }

    /// What the backslash at `at` stands for; returns where it ends.
    fn escape(&self, at: usize, begin: usize, text: &mut Text) -> Result<usize, Malformed> {
        let plain = match self.byte(at + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(at + 1, text),
            Some(_) => return Err(self.error("Invalid \\escape", at)),
            None => return Err(self.error("Unterminated string starting at", begin)),
        };
        text.text.push(plain);
        Ok(at + 2)
    }

    /// Four hexadecimal digits behind the `u` at `at`, with the other half of a pair.
    fn unicode(&self, at: usize, text: &mut Text) -> Result<usize, Malformed> {
        let invalid = |at| self.error("Invalid \\uXXXX escape", at);
        let first = self.hex4(at + 1).ok_or_else(|| invalid(at))?;
        let mut end = at + 5;
        let high = (0xd800..0xdc00).contains(&first);
        if high && self.byte(end) == Some(b'\\') && self.byte(end + 1) == Some(b'u') {
            let second = self.hex4(end + 2).ok_or_else(|| invalid(end + 1))?;
            if let Some(Ok(character)) = char::decode_utf16([first, second]).next() {
                text.text.push(character);
                return Ok(end + 6);
            }
        }
        match char::from_u32(u32::from(first)) {
            Some(character) => text.text.push(character),
            None => {
                text.surrogate.get_or_insert(first);
                text.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        end = end.min(self.text.len());
        Ok(end)
    }

    fn hex4(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 4)?;
        let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
        // Python wants one more character behind them.
        u16::from_str_radix(digits, 16).ok().filter(|_| all && at + 4 < self.text.len())
    }

    fn number(&self, begin: usize) -> Option<(Input, usize)> {
        let digits = |mut at: usize| {
            while self.byte(at).is_some_and(|b| b.is_ascii_digit()) {
                at += 1;
            }
            at
        };
        let first = begin + usize::from(self.byte(begin) == Some(b'-'));
        let whole = match self.byte(first)? {
            b'0' => first + 1,
            b'1'..=b'9' => digits(first),
            _ => return None,
        };
        let mut end = whole;
        if self.byte(end) == Some(b'.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let from = end + 1 + sign;
            if digits(from) > from {
                end = digits(from);
            }
        }
        let text = self.text.get(begin..end)?;
        if end > whole {
            return Some((Input::Float(text.parse().ok()?), end));
        }
        Some((Input::Int(if text == "-0" { "0" } else { text }.to_owned()), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().0
    }

    #[test]
    fn a_text_is_refused_in_pythons_words() {
        for (text, message) in [
            ("", "Expecting value: line 1 column 1 (char 0)"),
            ("  \n x", "Expecting value: line 2 column 2 (char 4)"),
            ("{\"a\" 1}", "Expecting ':' delimiter: line 1 column 6 (char 5)"),
            ("{\"a\": 1 2}", "Expecting ',' delimiter: line 1 column 9 (char 8)"),
            ("[1 2]", "Expecting ',' delimiter: line 1 column 4 (char 3)"),
            ("[1,]", "Expecting value: line 1 column 4 (char 3)"),
            ("{\"é\": tru}", "Expecting value: line 1 column 7 (char 6)"),
            ("1 1", "Extra data: line 1 column 3 (char 2)"),
            ("01", "Extra data: line 1 column 2 (char 1)"),
            ("-", "Expecting value: line 1 column 1 (char 0)"),
            ("\"\\u12", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            ("\"\\u12g4\"", "Invalid \\uXXXX escape: line 1 column 3 (char 2)"),
            ("-Infinity", "Out of range float values are not JSON compliant: '-Infinity'"),
        ] {
            assert_eq!(refused(text), message, "{text:?}");
        }
    }

    #[test]
    fn values_are_read_as_python_reads_them() {
        assert_eq!(
            parse(" [1e3, -0, 1.50, 123456789012345678901] ").unwrap(),
            Input::List(vec![
                Input::Float(1000.0),
                Input::Int("0".to_owned()),
                Input::Float(1.5),
                Input::Int("123456789012345678901".to_owned()),
            ])
        );
        let text = |json: &str| match parse(json).unwrap() {
            Input::Text(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r#""\ud83d\ude00\/""#), Text::from("😀/".to_owned()));
        assert_eq!(text(r#""a\ud800b""#).surrogate, Some(0xd800));
        assert_eq!(text(r#""a\ud800\u0041""#).text, "a\u{fffd}A");
    }

    #[test]
    fn deep_nesting_is_refused_and_costs_nothing() {
        assert!(parse(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_ok());
        assert!(refused(&"[".repeat(1_000_000)).contains("levels"));
        assert!(refused(&"{\"a\":".repeat(100_000)).contains("levels"));
    }
}
