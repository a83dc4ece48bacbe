//! Files in each format, and the printed defaults.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::config::address::{addresses, variable};
use crate::config::load::fields;
use crate::config::schema::{Field, Kind};
use crate::config::{Format, default_config};

#[test]
fn each_format_gives_the_same_configuration() {
    let json = config(load_file("tidegate.json"));
    assert_eq!(json, config(load_file("tidegate.yaml")));
    assert_eq!(json, config(load_file("tidegate.toml")));
    assert_eq!(json.http_server.port, 9000);
    assert_eq!(json.client.ping_interval, Duration::from_secs(90));
    assert_eq!(json.channel.namespaces[1].name, "news");
    assert!(
        json.channel.namespaces[1]
            .options
            .allow_subscribe_for_anonymous
    );
    assert_eq!(
        json.nats.credentials.as_deref(),
        Some(Path::new("/run/secrets/nats.creds"))
    );
}

#[test]
fn the_printed_defaults_load_as_the_defaults() {
    for (format, extension) in [
        (Format::Json, "json"),
        (Format::Yaml, "yaml"),
        (Format::Toml, "toml"),
    ] {
        let path = std::env::temp_dir().join(format!(
            "tidegate-{}-defaults.{extension}",
            std::process::id()
        ));
        std::fs::write(&path, default_config(format)).unwrap();
        let loaded = load(Some(&path), [], Vec::new(), |_| Vec::new());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(config(loaded), Config::default(), "{format:?}");
    }
}

/// The paths of all values in a tree.
fn paths(value: &Value, path: &str, all: &mut Vec<String>) {
    match value {
        Value::Object(section) => {
            for (name, value) in section {
                paths(value, &format!("{path}.{name}"), all);
            }
        }
        _ => all.push(path.trim_start_matches('.').to_owned()),
    }
}

#[test]
fn every_field_has_an_address_and_documentation() {
    let mut config = Config::default();
    config.channel.namespaces.push(Default::default());
    let mut tree = serde_json::to_value(config).unwrap();
    let mut namespace = tree["channel"]["namespaces"][0].take();
    namespace.as_object_mut().unwrap().remove("name");
    tree["channel"]["namespaces"] = serde_json::json!({ "chat": namespace });
    let mut fields_of_structs = vec!["channel.namespaces".to_owned()];
    paths(&tree, "", &mut fields_of_structs);
    // A map without entries looks like a section without options.
    let maps = addresses(&fields(), &[]).into_iter();
    let maps = maps.filter(|address| address.path.contains(".static_"));
    fields_of_structs.extend(maps.map(|address| address.path));
    fields_of_structs.sort();

    let all = addresses(&fields(), &["chat".to_owned()]);
    let mut addressed: Vec<_> = all
        .iter()
        .filter(|address| !address.whole)
        .map(|address| address.path.clone())
        .collect();
    addressed.sort();
    assert_eq!(addressed, fields_of_structs);

    let variables: std::collections::BTreeSet<_> = all
        .iter()
        .filter(|address| !address.whole)
        .map(|address| &address.variable)
        .collect();
    assert_eq!(
        variables.len(),
        addressed.len(),
        "two options share a variable"
    );
    documented(&fields());
}

fn documented(fields: &[Field]) {
    for field in fields {
        assert!(
            field.about.iter().any(|line| !line.trim().is_empty()),
            "{}",
            field.name
        );
        if let Kind::Section(inner) | Kind::Namespaces(inner) = &field.kind {
            documented(inner);
        }
    }
}

#[test]
fn every_field_of_a_narrow_kind_refuses_other_values() {
    let refused = refusals(&fields(), "");
    assert!(refused > 20, "only {refused} fields were tried");
}

/// Tries a value that fits no narrow kind; tells how many fields refused it.
fn refusals(fields: &[Field], section: &str) -> usize {
    let refuses = |field: &Field| match &field.kind {
        Kind::Section(inner) => refusals(inner, &format!("{section}{}.", field.name)),
        Kind::Text | Kind::File => 0,
        _ => {
            let path = format!("{section}{}", field.name);
            let faults = lines(load_variables(None, &[(&variable(&path), "[1]")]));
            assert!(
                faults.len() == 1 && faults[0].contains(&variable(&path)),
                "{faults:?}"
            );
            1
        }
    };
    fields.iter().map(refuses).sum()
}
