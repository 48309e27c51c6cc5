//! Fields of what a client sends, checked as the old service's framework checked them.

use serde_json::{Map, Value, json};

use super::{
    input::{Input, Text},
    json_text, python,
    reply::Refusal,
};

/// Characters of a text that is read as an integer.
const MAX_INTEGER_TEXT: usize = 1000;

/// What a client sent, by field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields {
    members: Vec<(String, Input)>,
    /// From a form: an empty field that may be left out was left out.
    pub(super) is_form: bool,
    /// PATCH: what is left out stays as it is.
    is_partial: bool,
}

impl Fields {
    /// The fields of a form.
    pub(super) fn of_form(members: Vec<(String, Input)>) -> Self {
        Self { members, is_form: true, is_partial: false }
    }

    /// The fields of a JSON value, which must be an object.
    pub(super) fn of_json(value: Input) -> Result<Self, Refusal> {
        let message = match value {
            Input::Dict(members) => {
                return Ok(Self { members, is_form: false, is_partial: false });
            }
            Input::Null => "No data provided".to_owned(),
            other => format!("Invalid data. Expected a dictionary, but got {}.", other.type_name()),
        };
        Err(Refusal::Invalid(json!({"non_field_errors": [message]})))
    }

    /// The same fields of a PATCH.
    pub(super) fn partial(self, is_partial: bool) -> Self {
        Self { is_partial, ..self }
    }

    /// The value of a field; of a repeated one the last.
    pub(super) fn get(&self, name: &str) -> Option<&Input> {
        self.members.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// All fields, the last of those with the same name.
    pub(super) fn into_last(self) -> Vec<(String, Input)> {
        let mut last: Vec<(String, Input)> = Vec::with_capacity(self.members.len());
        for (name, value) in self.members {
            match last.iter_mut().find(|(n, _)| *n == name) {
                Some(member) => member.1 = value,
                None => last.push((name, value)),
            }
        }
        last
    }

    /// A field as a serializer gets it.
    pub(super) fn given(&self, name: &str, need: Need) -> Given<'_> {
        match self.get(name) {
            Some(Input::Text(text)) if self.is_form && text.text.is_empty() => match need {
                Need::Required => Given::Value(self.get(name).unwrap_or(&Input::Null)),
                Need::Optional => Given::Absent,
                Need::Nullable => Given::Value(&Input::Null),
            },
            Some(value) => Given::Value(value),
            None if self.is_partial || need != Need::Required => Given::Absent,
            None => Given::Missing,
        }
    }
}

/// Whether a field must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
    /// Optional, and may be null.
    Nullable,
}

/// What there is of a field.
pub(super) enum Given<'a> {
    Value(&'a Input),
    /// It is not there and need not be.
    Absent,
    /// It is not there and should be.
    Missing,
}

/// What is wrong, by field, in the order in which the fields are declared.
#[derive(Default)]
pub(super) struct Faults(Map<String, Value>);

impl Faults {
    /// Notes what is wrong with a field and passes on what is right.
    pub(super) fn note<T>(
        &mut self,
        name: &str,
        checked: Result<Option<T>, Vec<String>>,
    ) -> Option<T> {
        match checked {
            Ok(value) => value,
            Err(messages) => {
                self.0.insert(name.to_owned(), json!(messages));
                None
            }
        }
    }

    /// The refusal, if anything was wrong.
    pub(super) fn done(self) -> Result<(), Refusal> {
        if self.0.is_empty() { Ok(()) } else { Err(Refusal::Invalid(Value::Object(self.0))) }
    }
}

pub(super) const REQUIRED: &str = "This field is required.";
pub(super) const NULL: &str = "This field may not be null.";

fn fault<T>(message: &str) -> Result<Option<T>, Vec<String>> {
    Err(vec![message.to_owned()])
}

/// A text of at most `max` characters, trimmed. Numbers become text.
pub(super) fn text(given: Given<'_>, max: usize) -> Result<Option<String>, Vec<String>> {
    let value = match given {
        Given::Value(value) => value,
        Given::Absent => return Ok(None),
        Given::Missing => return fault(REQUIRED),
    };
    let value = match value {
        Input::Null => return fault(NULL),
        Input::Text(text) => text.clone(),
        Input::Int(digits) => Text::from(digits.clone()),
        Input::Float(float) => Text::from(json_text::float_text(*float)),
        Input::Bool(_) | Input::List(_) | Input::Dict(_) | Input::File(_) => {
            return fault("Not a valid string.");
        }
    };
    let trimmed = python::strip(&value.text);
    if trimmed.is_empty() {
        return fault("This field may not be blank.");
    }
    let mut messages = Vec::new();
    if trimmed.chars().count() > max {
        messages.push(format!("Ensure this field has no more than {max} characters."));
    }
    if trimmed.contains('\0') {
        messages.push("Null characters are not allowed.".to_owned());
    }
    if let Some(half) = value.surrogate {
        messages.push(format!("Surrogate characters are not allowed: U+{half:X}."));
    }
    if messages.is_empty() { Ok(Some(trimmed.to_owned())) } else { Err(messages) }
}

/// An integer between `min` and `max`; one beyond the range of the type is its end.
pub(super) fn integer(given: Given<'_>, min: i128, max: i128) -> Result<Option<i128>, Vec<String>> {
    let value = match given {
        Given::Value(value) => value,
        Given::Absent => return Ok(None),
        Given::Missing => return fault(REQUIRED),
    };
    let text = match value {
        Input::Null => return fault(NULL),
        Input::Int(digits) => digits.clone(),
        Input::Float(float) => json_text::float_text(*float),
        Input::Text(text) if text.text.chars().count() > MAX_INTEGER_TEXT => {
            return fault("String value too large.");
        }
        Input::Text(text) => text.text.clone(),
        Input::Bool(_) | Input::List(_) | Input::Dict(_) | Input::File(_) => String::new(),
    };
    let Some(value) = python::int(without_zeros(&text)) else {
        return fault("A valid integer is required.");
    };
    if value < min {
        return fault(&format!("Ensure this value is greater than or equal to {min}."));
    }
    if value > max {
        return fault(&format!("Ensure this value is less than or equal to {max}."));
    }
    Ok(Some(value))
}

/// The text without a point and zeros at its end.
fn without_zeros(text: &str) -> &str {
    let trimmed = python::strip(text).trim_end_matches('0');
    trimmed.strip_suffix('.').unwrap_or(text)
}

/// Whether a reference is null; an empty text is.
pub(super) fn is_null(value: &Input) -> bool {
    match value {
        Input::Null => true,
        Input::Text(text) => text.text.is_empty(),
        Input::Bool(_)
        | Input::Int(_)
        | Input::Float(_)
        | Input::List(_)
        | Input::Dict(_)
        | Input::File(_) => false,
    }
}

/// A row's id as the old service looked it up.
pub(super) fn row_id(value: &Input) -> Result<i128, String> {
    let wrong = || format!("Incorrect type. Expected pk value, received {}.", value.type_name());
    match value {
        Input::Int(digits) => python::int(digits).ok_or_else(wrong),
        Input::Float(float) if float.is_finite() => Ok(float.trunc() as i128),
        Input::Text(text) => python::int(&text.text).ok_or_else(wrong),
        Input::Float(_)
        | Input::Null
        | Input::Bool(_)
        | Input::List(_)
        | Input::Dict(_)
        | Input::File(_) => Err(wrong()),
    }
}

/// The id as a message shows it.
pub(super) fn shown(value: &Input) -> String {
    match value {
        Input::Int(digits) => digits.clone(),
        Input::Float(float) => json_text::float_text(*float),
        Input::Text(text) => text.text.clone(),
        other => other.type_name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(json: &str) -> Result<Option<i128>, Vec<String>> {
        let value = super::super::input::parse(json).unwrap();
        integer(Given::Value(&value), i128::MIN, i128::MAX)
    }

    #[test]
    fn whole_numbers_in_any_writing_are_integers() {
        for json in ["2", "2.0", "\" 2 \"", "\"+2\"", "\"2.0\"", "\"2.00 \"", "\"0_2\"", "\"2.\""] {
            assert_eq!(int(json), Ok(Some(2)), "{json}");
        }
        assert_eq!(int("10"), Ok(Some(10)));
        assert_eq!(int("100.0"), Ok(Some(100)));
        for json in ["true", "1.5", "\"\"", "[]", "\"x\"", "1e22", "\"1e1\""] {
            assert_eq!(int(json), Err(vec!["A valid integer is required.".to_owned()]), "{json}");
        }
        let long = format!("\"{}\"", "1".repeat(1001));
        assert_eq!(int(&long), Err(vec!["String value too large.".to_owned()]));
    }

    #[test]
    fn all_that_is_wrong_with_a_text_is_told() {
        let value = Input::Text(Text { text: "ab\0\u{fffd}".to_owned(), surrogate: Some(0xd801) });
        assert_eq!(
            text(Given::Value(&value), 3).unwrap_err(),
            [
                "Ensure this field has no more than 3 characters.",
                "Null characters are not allowed.",
                "Surrogate characters are not allowed: U+D801.",
            ]
        );
        assert_eq!(text(Given::Value(&Input::Float(1e22)), 9), Ok(Some("1e+22".to_owned())));
    }
}
