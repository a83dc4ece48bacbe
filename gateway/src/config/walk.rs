//! The one walk over a configuration's tree: texts become what the options take, and every fault is collected.
//!
//! What comes out holds only options that exist, with values of their kind.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::address::addresses;
use super::convert::convert;
use super::fault::{Fault, Source};
use super::nearest::{ending_in, nearest, unknown};
use super::schema::{Field, Kind};
use super::unoffered::{self, UNOFFERED, Verdict};

/// Where each option was set, by its path.
#[derive(Debug, Default)]
pub(super) struct Origins {
    pub(super) file: Option<PathBuf>,
    pub(super) set: BTreeMap<String, Source>,
}

impl Origins {
    /// The source of an option or of the innermost section around it that has one.
    pub(super) fn of(&self, path: &str) -> Option<&Source> {
        self.set
            .get(path)
            .or_else(|| self.of(path.rsplit_once('.')?.0))
    }

    pub(super) fn fault(&self, option: &str, message: impl Into<String>) -> Fault {
        Fault {
            option: option.to_owned(),
            source: self.of(option).cloned(),
            message: message.into(),
        }
    }
}

/// A place in the tree.
struct Place {
    /// Its path; namespaces stand in it by name.
    path: String,
    /// Its path in which `channel.*` stands for every set of channel options.
    pattern: String,
}

impl Place {
    fn child(&self, name: &str) -> Self {
        let join = |parent: &str| {
            if parent.is_empty() {
                name.to_owned()
            } else {
                format!("{parent}.{name}")
            }
        };
        let pattern = match join(&self.pattern) {
            pattern if pattern == "channel.without_namespace" => "channel.*".to_owned(),
            pattern => pattern,
        };
        Self {
            path: join(&self.path),
            pattern,
        }
    }

    fn namespace(&self, index: usize, entry: &Value) -> Self {
        let name = entry
            .get("name")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        let name = name.map_or_else(|| index.to_string(), str::to_owned);
        Self {
            path: format!("{}.{name}", self.path),
            pattern: "channel.*".to_owned(),
        }
    }
}

/// The walk and what it has found so far.
#[derive(Debug)]
pub(super) struct Walk {
    /// Paths of all options that are offered.
    known: Vec<String>,
    pub(super) origins: Origins,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Fault>,
}

impl Walk {
    /// A walk that goes on from what is known already.
    pub(super) fn new(fields: &[Field], origins: Origins, faults: Vec<Fault>) -> Self {
        let offered = addresses(fields, &[])
            .into_iter()
            .filter(|address| !address.whole);
        let known = offered.map(|address| address.path).collect();
        Self {
            known,
            origins,
            faults,
            warnings: Vec::new(),
        }
    }

    /// Walks a whole tree.
    pub(super) fn root(&mut self, fields: &[Field], tree: Value) -> Value {
        let place = Place {
            path: String::new(),
            pattern: String::new(),
        };
        self.section(fields, &place, tree).unwrap_or_default()
    }

    fn section(&mut self, fields: &[Field], place: &Place, value: Value) -> Option<Value> {
        let Value::Object(entries) = value else {
            self.fault(place, "must be a section of options");
            return None;
        };
        let mut section = Map::new();
        for (name, value) in entries {
            let inner = place.child(&name);
            self.note(&inner, &value);
            let field = fields.iter().find(|field| field.name == name);
            match field {
                _ if value.is_null() => {}
                Some(field) => {
                    section.extend(self.field(field, &inner, value).map(|value| (name, value)))
                }
                None => self.unoffered(fields, &inner, &name, &value),
            }
        }
        Some(Value::Object(section))
    }

    fn field(&mut self, field: &Field, place: &Place, value: Value) -> Option<Value> {
        match &field.kind {
            Kind::Section(fields) => self.section(fields, place, value),
            Kind::Namespaces(fields) => self.namespaces(fields, place, value),
            kind => match convert(kind, value) {
                Ok(value) => {
                    self.judge(place, &value);
                    Some(value)
                }
                Err(message) => {
                    self.fault(place, message);
                    None
                }
            },
        }
    }

    fn namespaces(&mut self, fields: &[Field], place: &Place, value: Value) -> Option<Value> {
        let Value::Array(entries) = value else {
            self.fault(place, "must be a list of sections, each with a name");
            return None;
        };
        let walked = entries
            .into_iter()
            .enumerate()
            .filter_map(|(index, entry)| {
                let inner = place.namespace(index, &entry);
                self.section(fields, &inner, entry)
            });
        Some(walked.collect())
    }

    /// An option that Tidegate does not offer, or does not even know.
    fn unoffered(&mut self, fields: &[Field], place: &Place, name: &str, value: &Value) {
        let inside = UNOFFERED
            .iter()
            .any(|entry| unoffered::below(entry.path, &place.pattern).is_some());
        match value {
            Value::Object(entries) if inside || unoffered::entry(&place.pattern).is_some() => {
                for (name, value) in entries {
                    let inner = place.child(name);
                    self.note(&inner, value);
                    self.unoffered(&[], &inner, name, value);
                }
            }
            _ if unoffered::entry(&place.pattern).is_some() => self.judge(place, value),
            _ => self.fault(
                place,
                unknown(self.suggestion(fields, place, name).as_deref()),
            ),
        }
    }

    /// What an unknown name was meant to be: a name of its section, else a path that ends in it or resembles its path.
    fn suggestion(&self, fields: &[Field], place: &Place, name: &str) -> Option<String> {
        let section = |path: &str| {
            path.rsplit_once('.')
                .map_or(String::new(), |(section, _)| format!("{section}."))
        };
        let pattern = section(&place.pattern);
        let siblings = UNOFFERED
            .iter()
            .filter_map(|entry| entry.path.strip_prefix(&pattern));
        let siblings = siblings
            .filter(|name| !name.contains('.'))
            .chain(fields.iter().map(|field| field.name));
        if let Some(sibling) = nearest(name, siblings) {
            return Some(format!("{}{sibling}", section(&place.path)));
        }
        let known = || self.known.iter().map(String::as_str);
        ending_in(name, known())
            .or_else(|| nearest(&place.path, known()))
            .map(str::to_owned)
    }

    /// Reports what an option that is not offered asks for.
    fn judge(&mut self, place: &Place, value: &Value) {
        let Some(entry) = unoffered::entry(&place.pattern) else {
            return;
        };
        match entry.verdict(&place.pattern, value) {
            Verdict::Silent => {}
            Verdict::Idle(reason) => self.warn(place, format!("has no effect: {reason}")),
            Verdict::Missing(what) => self.fault(
                place,
                format!("is known and not offered yet: this version lacks {what}"),
            ),
            Verdict::Instead(what) => {
                self.fault(place, format!("is known and not offered: {what}"))
            }
        }
    }

    /// Remembers that an option stands in the file, unless something overlays it.
    fn note(&mut self, place: &Place, value: &Value) {
        let set = !value.is_object() && !value.is_null();
        if let Some(file) = self.origins.file.clone().filter(|_| set) {
            self.origins
                .set
                .entry(place.path.clone())
                .or_insert(Source::File(file));
        }
    }

    fn fault(&mut self, place: &Place, message: impl Into<String>) {
        self.faults.push(self.origins.fault(&place.path, message));
    }

    fn warn(&mut self, place: &Place, message: String) {
        self.warnings.push(self.origins.fault(&place.path, message));
    }
}
