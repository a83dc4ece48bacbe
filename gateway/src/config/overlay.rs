//! What the environment and the flags set, written over the tree of the file.

use std::ffi::OsString;

use serde_json::{Map, Value};

use super::address::{self, Address, NAMESPACES, PREFIX};
use super::fault::{Fault, Source};
use super::schema::Field;
use super::walk::Origins;

/// The variable that names the configuration file.
pub(super) const FILE_VARIABLE: &str = "TIDEGATE_CONFIG";

/// One option set from outside the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The option's path, or the variable's name.
    name: String,
    value: String,
    source: Source,
}

impl Setting {
    /// An option, by its path, that a flag sets.
    #[must_use]
    pub fn flag(flag: &'static str, path: &str, value: &str) -> Self {
        Self {
            name: path.to_owned(),
            value: value.to_owned(),
            source: Source::Flag(flag),
        }
    }

    /// The setting of a variable that is Tidegate's.
    fn variable(name: &OsString, value: OsString) -> Option<Result<Self, Fault>> {
        let name = name
            .to_str()
            .filter(|name| name.starts_with(PREFIX) && *name != FILE_VARIABLE)?
            .to_owned();
        let source = Source::Variable(name.clone());
        Some(match value.into_string() {
            Ok(value) if of_kubernetes(&name, &value) => return None,
            Ok(value) => Ok(Self {
                name,
                value,
                source,
            }),
            Err(_) => Err(Fault {
                option: name,
                source: None,
                message: "is not UTF-8".to_owned(),
            }),
        })
    }

    fn lists_namespaces(&self) -> bool {
        match &self.source {
            Source::Variable(name) => *name == address::variable(NAMESPACES),
            Source::Flag(_) | Source::File(_) => self.name == NAMESPACES,
        }
    }

    fn path(&self, addresses: &[Address], namespaces: &[String]) -> Result<String, Fault> {
        let found = match &self.source {
            Source::Variable(name) => address::of_variable(addresses, namespaces, name),
            Source::Flag(_) | Source::File(_) => address::of_path(addresses, &self.name),
        };
        found.map_err(|message| self.fault(message))
    }

    fn fault(&self, message: String) -> Fault {
        let source =
            Some(self.source.clone()).filter(|source| !matches!(source, Source::Variable(_)));
        Fault {
            option: self.name.clone(),
            source,
            message,
        }
    }
}

/// Whether Kubernetes set this variable, as it does in every pod for each service whose name starts with `tidegate`.
fn of_kubernetes(name: &str, value: &str) -> bool {
    let linked = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme));
    let part = [
        "_TCP_PROTO",
        "_TCP_PORT",
        "_TCP_ADDR",
        "_UDP_PROTO",
        "_UDP_PORT",
        "_UDP_ADDR",
    ];
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (linked && name.contains("_PORT"))
        || (name.contains("_PORT_") && part.iter().any(|ending| name.ends_with(ending)))
}

/// The settings of the environment and after them those of flags, and what is wrong with variables themselves.
pub(super) fn settings(
    environment: Vec<(OsString, OsString)>,
    flags: Vec<Setting>,
) -> (Vec<Setting>, Vec<Fault>) {
    let (mut settings, mut faults) = (Vec::new(), Vec::new());
    for (name, value) in environment {
        match Setting::variable(&name, value) {
            None => {}
            Some(Ok(setting)) => settings.push(setting),
            Some(Err(fault)) => faults.push(fault),
        }
    }
    settings.extend(flags);
    (settings, faults)
}

/// Writes settings, the later ones over the earlier. Namespaces come first, for others name them.
pub(super) fn apply(
    tree: &mut Value,
    settings: Vec<Setting>,
    fields: &[Field],
    origins: &mut Origins,
) -> Vec<Fault> {
    let (lists, options): (Vec<_>, Vec<_>) =
        settings.into_iter().partition(Setting::lists_namespaces);
    let mut faults = Vec::new();
    for setting in lists {
        faults.extend(
            list_namespaces(tree, &setting, origins)
                .err()
                .map(|message| setting.fault(message)),
        );
    }
    let namespaces = namespaces(tree);
    let addresses = address::addresses(fields, &namespaces);
    for setting in options {
        match setting.path(&addresses, &namespaces) {
            Err(fault) => faults.push(fault),
            Ok(path) => {
                set(tree, &path, setting.value.into());
                origins.set.insert(path, setting.source);
            }
        }
    }
    faults
}

fn namespaces(tree: &Value) -> Vec<String> {
    let entries = tree
        .pointer("/channel/namespaces")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    entries
        .filter_map(|entry| Some(entry.get("name")?.as_str()?.to_owned()))
        .collect()
}

/// Adds namespaces to those of the file: names separated by spaces, or a list of names or sections as JSON.
fn list_namespaces(
    tree: &mut Value,
    setting: &Setting,
    origins: &mut Origins,
) -> Result<(), String> {
    let entries: Vec<Value> = match setting.value.trim() {
        json if json.starts_with('[') => {
            serde_json::from_str(json).map_err(|error| format!("is not JSON: {error}"))?
        }
        words => words.split_whitespace().map(Value::from).collect(),
    };
    for entry in entries {
        let options = match entry {
            Value::String(name) => Map::from_iter([("name".to_owned(), name.into())]),
            Value::Object(options) => options,
            _ => return Err("must list names, or sections with a name".to_owned()),
        };
        let name = options
            .get("name")
            .and_then(Value::as_str)
            .ok_or("must name every namespace")?
            .to_owned();
        let section = format!("{NAMESPACES}.{name}");
        if !namespaces(tree).contains(&name) {
            push(
                tree,
                Map::from_iter([("name".to_owned(), name.into())]).into(),
            );
            origins.set.insert(section.clone(), setting.source.clone());
        }
        for (option, value) in options {
            let path = format!("{section}.{option}");
            set(tree, &path, value);
            origins.set.insert(path, setting.source.clone());
        }
    }
    Ok(())
}

fn push(tree: &mut Value, namespace: Value) {
    let Some(root) = tree.as_object_mut() else {
        return;
    };
    let channel = root.entry("channel").or_insert_with(|| Map::new().into());
    let Some(channel) = channel.as_object_mut() else {
        return;
    };
    if let Some(list) = channel
        .entry("namespaces")
        .or_insert_with(|| Vec::<Value>::new().into())
        .as_array_mut()
    {
        list.push(namespace);
    }
}

/// Sets the value at a path. What stands in its way stays, for the walk reports it.
fn set(tree: &mut Value, path: &str, value: Value) {
    let (name, rest) = path
        .split_once('.')
        .map_or((path, None), |(name, rest)| (name, Some(rest)));
    let inner = match tree {
        Value::Object(section) => section.entry(name).or_insert(Value::Null),
        Value::Array(list) => {
            let found = list
                .iter_mut()
                .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name));
            let Some(found) = found else { return };
            found
        }
        _ => return,
    };
    match rest {
        None => *inner = value,
        Some(rest) => {
            if inner.is_null() {
                *inner = Map::new().into();
            }
            set(inner, rest, value);
        }
    }
}
