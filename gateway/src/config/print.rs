//! Every option with its default, as a file to start from.

use serde_json::Value;

use super::Config;
use super::file::Format;
use super::load::fields;
use super::schema::{Field, Kind};

/// The default configuration as a file; YAML and TOML with the documentation of each option.
#[must_use]
pub fn default_config(format: Format) -> String {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut text = String::new();
    match format {
        Format::Json => text = serde_json::to_string_pretty(&defaults).unwrap_or_default() + "\n",
        Format::Yaml => yaml(&fields(), &defaults, "", &mut text),
        Format::Toml => toml(&fields(), &defaults, "", &mut text),
    }
    text
}

fn yaml(fields: &[Field], defaults: &Value, indent: &str, text: &mut String) {
    for field in fields {
        about(field, indent, text);
        let default = &defaults[field.name];
        match &field.kind {
            Kind::Section(inner) => {
                text.push_str(&format!("{indent}{}:\n", field.name));
                yaml(inner, default, &format!("{indent}  "), text);
            }
            _ => text.push_str(&format!("{indent}{}: {}\n", field.name, scalar(default))),
        }
    }
}

/// In TOML the options of a section come before the sections in it.
fn toml(fields: &[Field], defaults: &Value, section: &str, text: &mut String) {
    for field in fields {
        if !matches!(field.kind, Kind::Section(_)) {
            about(field, "", text);
            text.push_str(&format!(
                "{} = {}\n",
                field.name,
                scalar(&defaults[field.name])
            ));
        }
    }
    for field in fields {
        if let Kind::Section(inner) = &field.kind {
            let path = format!("{section}{}", field.name);
            text.push('\n');
            about(field, "", text);
            text.push_str(&format!("[{path}]\n"));
            toml(inner, &defaults[field.name], &format!("{path}."), text);
        }
    }
}

fn about(field: &Field, indent: &str, text: &mut String) {
    for line in field.about {
        text.push_str(&format!("{indent}#{line}\n"));
    }
}

/// Texts, numbers and lists are written in JSON, which YAML and TOML both read; what is unset is an empty text.
fn scalar(value: &Value) -> String {
    if value.is_null() {
        "\"\"".to_owned()
    } else {
        value.to_string()
    }
}
