//! A value as it was written in, the same value as its option takes it out.

use serde_json::{Number, Value};

use super::duration;
use super::schema::Kind;

/// A value as its option takes it. Texts of the environment and of flags are read; so are those of files.
pub(super) fn convert(kind: &Kind, value: Value) -> Result<Value, String> {
    match (kind, value) {
        (Kind::Flag, value @ Value::Bool(_)) => Ok(value),
        (Kind::Flag, Value::String(text)) => {
            flag(&text).ok_or_else(|| "must be true or false".to_owned())
        }
        (Kind::Flag, _) => Err("must be true or false".to_owned()),
        (Kind::Whole(lowest, highest), value) => whole(*lowest, *highest, &value),
        (Kind::File, Value::String(path)) if path.is_empty() => Ok(Value::Null),
        (Kind::Text | Kind::File, value @ Value::String(_)) => Ok(value),
        (Kind::Text | Kind::File, _) => Err("must be a text: put it in quotes".to_owned()),
        (Kind::Duration, Value::String(text)) => match duration::parse(&text) {
            Ok(_) => Ok(Value::String(text)),
            Err(error) => Err(error.to_string()),
        },
        (Kind::Duration, Value::Number(number)) if number.as_f64() == Some(0.0) => Ok("0s".into()),
        (Kind::Duration, Value::Number(_)) => Err(duration::DurationError::Unit.to_string()),
        (Kind::Duration, _) => Err(duration::DurationError::Form.to_string()),
        (Kind::Map, value) => map(value).ok_or_else(|| "must be a section of texts".to_owned()),
        (Kind::Texts, value) => texts(value).ok_or_else(|| "must be a list of texts".to_owned()),
        (Kind::Section(_) | Kind::Namespaces(_), _) => {
            Err("must be a section of options".to_owned())
        }
    }
}

fn flag(text: &str) -> Option<Value> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true.into()),
        "false" | "0" => Some(false.into()),
        _ => None,
    }
}

fn whole(lowest: i128, highest: i128, value: &Value) -> Result<Value, String> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if (lowest..=highest).contains(&number) => {
            Ok(Number::from_i128(number).into())
        }
        Some(_) => Err(format!("must be from {lowest} to {highest}")),
        None => Err("must be a whole number".to_owned()),
    }
}

/// A section, or a text that holds one as JSON.
fn map(value: Value) -> Option<Value> {
    let section = match value {
        Value::String(text) => serde_json::from_str(&text).ok()?,
        section => section,
    };
    let mut values = section.as_object()?.values();
    values.all(Value::is_string).then_some(section)
}

/// A list, a text that holds a list as JSON, or words separated by spaces.
fn texts(value: Value) -> Option<Value> {
    let list = match value {
        Value::String(text) if text.trim_start().starts_with('[') => {
            serde_json::from_str(&text).ok()?
        }
        Value::String(text) => text.split_whitespace().collect(),
        list => list,
    };
    list.as_array()?
        .iter()
        .all(Value::is_string)
        .then_some(list)
}
