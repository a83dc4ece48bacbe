//! The configuration file: JSON, YAML or TOML in, a tree out. Knows nothing of options.

use std::path::Path;

use serde_json::{Map, Value};

use super::tree::Node;

/// How a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `.json`
    Json,
    /// `.yaml` or `.yml`
    Yaml,
    /// `.toml`
    Toml,
}

impl Format {
    /// The format that the file's extension names, else the one that its first line looks like.
    fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::Json,
            Some("yaml" | "yml") => Self::Yaml,
            Some("toml") => Self::Toml,
            _ => Self::guess(text),
        }
    }

    fn guess(text: &str) -> Self {
        let first = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'))
            .unwrap_or("");
        match first.find([':', '=']) {
            _ if first.starts_with('{') => Self::Json,
            _ if first.starts_with('[') => Self::Toml,
            Some(at) if first[at..].starts_with('=') => Self::Toml,
            _ => Self::Yaml,
        }
    }
}

/// Reads a file. Yields its tree, a section, and the paths of options that it sets twice.
pub(super) fn read(path: &Path) -> Result<(Value, Vec<String>), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    parse(Format::of(path, &text), text.trim_start_matches('\u{feff}'))
}

fn parse(format: Format, text: &str) -> Result<(Value, Vec<String>), String> {
    let tree = match format {
        _ if text.trim().is_empty() => Node::Section(Vec::new()),
        Format::Json => {
            serde_json::from_str(text).map_err(|error| format!("is not JSON: {error}"))?
        }
        Format::Yaml => yaml(text)?,
        Format::Toml => toml::from_str(text).map_err(|error| {
            let before = error.span().map_or("", |span| &text[..span.start]);
            format!(
                "is not TOML: {} at line {}",
                error.message(),
                before.matches('\n').count() + 1
            )
        })?,
    };
    let mut repeated = Vec::new();
    match tree.settle("", &mut repeated) {
        Value::Null => Ok((Value::Object(Map::new()), repeated)),
        tree @ Value::Object(_) => Ok((tree, repeated)),
        _ => Err("must hold sections of options".to_owned()),
    }
}

/// The parser's own rendering quotes lines of the file, which may hold keys: only its message is used.
fn yaml(text: &str) -> Result<Node, String> {
    let options =
        serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let message = error.without_snippet().to_string();
        format!(
            "is not YAML: {}",
            message.lines().next().unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_yield_one_tree() {
        let tree = json!({"client": {"insecure": true, "channel_limit": 5, "allowed_origins": ["*"]}, "none": {}});
        for (format, text) in [
            (
                Format::Json,
                r#"{"client": {"insecure": true, "channel_limit": 5, "allowed_origins": ["*"]}, "none": {}}"#,
            ),
            (
                Format::Yaml,
                "client:\n  insecure: true\n  channel_limit: 5\n  allowed_origins: ['*']\nnone: {}\n",
            ),
            (
                Format::Toml,
                "none = {}\n[client]\ninsecure = true\nchannel_limit = 5\nallowed_origins = ['*']\n",
            ),
        ] {
            assert_eq!(
                parse(format, text),
                Ok((tree.clone(), Vec::new())),
                "{format:?}"
            );
            assert_eq!(Format::of(Path::new("config"), text), format);
            assert_eq!(parse(format, ""), Ok((json!({}), Vec::new())));
        }
    }

    #[test]
    fn options_set_twice_are_told() {
        let twice = vec!["client.insecure".to_owned(), "client".to_owned()];
        let json = r#"{"client": {"insecure": true, "insecure": false}, "client": {}}"#;
        assert_eq!(parse(Format::Json, json).unwrap().1, twice);
        assert_eq!(
            parse(
                Format::Yaml,
                "client:\n  insecure: true\n  insecure: false\nclient: {}"
            )
            .unwrap()
            .1,
            twice
        );
        let fault = parse(Format::Toml, "[client]\ninsecure = true\ninsecure = false").unwrap_err();
        assert_eq!(fault, "is not TOML: duplicate key at line 3");
    }

    #[test]
    fn faults_do_not_quote_the_file() {
        for (format, text) in [
            (Format::Json, r#"{"hmac_secret_key": "s3cret" "#),
            (Format::Json, r#"{"hmac_secret_key": s3cret}"#),
            (Format::Yaml, "hmac_secret_key: 's3cret\n"),
            (Format::Yaml, "hmac_secret_key: {s3cret\n"),
            (Format::Yaml, "hmac_secret_key: *s3cret\n"),
            (Format::Toml, "hmac_secret_key = s3cret"),
            (Format::Toml, "hmac_secret_key = \"s3cret"),
        ] {
            let fault = parse(format, text).unwrap_err();
            assert!(
                !fault.contains("s3cret") && fault.contains("line"),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_file_without_sections_is_refused() {
        assert_eq!(
            parse(Format::Yaml, "- a"),
            Err("must hold sections of options".to_owned())
        );
        assert_eq!(
            parse(Format::Json, "5"),
            Err("must hold sections of options".to_owned())
        );
    }
}
