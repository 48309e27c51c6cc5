//! JSON text as the old service wrote it: floats, escapes and blanks as Python has them.

use std::fmt::Write as _;

use serde_json::Value;

/// The text of a value, on one line without blanks, or with `indent` blanks for each level.
pub(super) fn text(value: &Value, indent: Option<usize>) -> String {
    let mut out = String::new();
    write_value(&mut out, value, indent, 0);
    out
}

fn write_value(out: &mut String, value: &Value, indent: Option<usize>, level: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => out.push_str(&float_text(float)),
            None => {
                let _ = write!(out, "{number}");
            }
        },
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            write_all(out, ('[', ']'), indent, level, items, |out, item| {
                write_value(out, item, indent, level + 1);
            });
        }
        Value::Object(members) => {
            write_all(out, ('{', '}'), indent, level, members, |out, (name, member)| {
                write_string(out, name);
                out.push_str(if indent.is_some() { ": " } else { ":" });
                write_value(out, member, indent, level + 1);
            });
        }
    }
}

fn write_all<T>(
    out: &mut String,
    (open, close): (char, char),
    indent: Option<usize>,
    level: usize,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut String, T),
) {
    let new_line = |out: &mut String, level: usize| {
        if let Some(indent) = indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * level));
        }
    };
    out.push(open);
    let mut any = false;
    for item in items {
        if any {
            out.push(',');
        }
        any = true;
        new_line(out, level + 1);
        write(out, item);
    }
    if any {
        new_line(out, level);
    }
    out.push(close);
}

fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            // Line separators for JavaScript, which took them for line ends inside a string.
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// The shortest digits that give the same float; with an exponent below 1e-4 and from 1e16 on.
pub(super) fn float_text(float: f64) -> String {
    if !float.is_finite() {
        // JSON has no such numbers; as text they are Python's.
        let name = if float.is_nan() { "nan" } else { "inf" };
        return if float < 0.0 { format!("-{name}") } else { name.to_owned() };
    }
    let scientific = format!("{float:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{float}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn floats_are_written_as_python_prints_them() {
        for (float, expected) in [
            (0.5, "0.5"),
            (1000.0, "1000.0"),
            (1e22, "1e+22"),
            (1e16, "1e+16"),
            (1e15, "1000000000000000.0"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1.25e-7, "1.25e-07"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (7.8, "7.8"),
            (0.1 + 0.2, "0.30000000000000004"),
            (9_007_199_254_740_993.0, "9007199254740992.0"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        ] {
            assert_eq!(text(&json!(float), None), expected);
        }
        assert_eq!(text(&json!([1, -1, u64::MAX]), None), "[1,-1,18446744073709551615]");
    }

    #[test]
    fn only_what_json_and_javascript_need_is_escaped() {
        let value =
            json!("Café ☎ </script> & / \u{7f} \u{2028}\u{2029} \"q\" \\ \n\r\t\u{8}\u{c}\u{1}");
        assert_eq!(
            text(&value, None),
            "\"Café ☎ </script> & / \u{7f} \\u2028\\u2029 \\\"q\\\" \\\\ \\n\\r\\t\\b\\f\\u0001\""
        );
    }

    #[test]
    fn indented_text_has_a_blank_after_the_colon_and_no_lines_in_what_is_empty() {
        let value = json!({"a": [1, {}], "b": []});
        assert_eq!(text(&value, Some(2)), "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
        assert_eq!(text(&value, None), r#"{"a":[1,{}],"b":[]}"#);
    }

    #[test]
    fn text_read_by_another_parser_gives_the_same_value() {
        let value = json!({"x": [1.5, "a\"\u{2028}", null, true, {"y": 1e-7}], "z": -3});
        for indent in [None, Some(4)] {
            assert_eq!(serde_json::from_str::<Value>(&text(&value, indent)).unwrap(), value);
        }
    }
}
