//! What options there are: name, kind, default and documentation, all read off the structs that hold them.
//!
//! [`options!`] writes a struct, its defaults and its description from one declaration, so that files, environment,
//! `default-config` and the check cannot disagree about what exists.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::secret::Secret;

/// A named option or section.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    /// Lines of its documentation.
    pub(super) about: &'static [&'static str],
    pub(super) kind: Kind,
}

/// What can be written for an option.
#[derive(Debug)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number between these two.
    Whole(i128, i128),
    Text,
    /// Path of a file; empty for none.
    File,
    Duration,
    Texts,
    /// Texts by name.
    Map,
    Section(Vec<Field>),
    /// A list of sections; those of namespaces have a `name` each.
    Namespaces(Vec<Field>),
}

/// A type that options can have.
pub(super) trait Described {
    fn kind() -> Kind;
}

macro_rules! described {
    ($($type:ty => $kind:expr,)+) => { $(impl Described for $type { fn kind() -> Kind { $kind } })+ };
}

described! {
    bool => Kind::Flag,
    u16 => Kind::Whole(0, u16::MAX.into()),
    u32 => Kind::Whole(0, u32::MAX.into()),
    usize => Kind::Whole(0, usize::MAX as i128),
    i64 => Kind::Whole(i64::MIN.into(), i64::MAX.into()),
    String => Kind::Text,
    Secret => Kind::Text,
    Option<PathBuf> => Kind::File,
    Duration => Kind::Duration,
    Vec<String> => Kind::Texts,
    BTreeMap<String, Secret> => Kind::Map,
}

/// The fields of a section; those of a flattened field take its place.
pub(super) fn section(fields: Vec<(Field, bool)>) -> Kind {
    let flattened = fields
        .into_iter()
        .flat_map(|(field, flatten)| match field.kind {
            Kind::Section(inner) if flatten => inner,
            _ => vec![field],
        });
    Kind::Section(flattened.collect())
}

/// Declares a section of options: for each one `/// doc` and `pub name: Type = default,`, the default where it is not the type's.
macro_rules! options {
    (
        $(#[doc = $title:literal])+
        pub struct $section:ident {
            $(
                $(#[doc = $about:literal])+
                $(#[serde($($how:tt)+)])?
                pub $name:ident: $type:ty $(= $default:expr)?,
            )+
        }
    ) => {
        $(#[doc = $title])+
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $section {
            $($(#[doc = $about])+ $(#[serde($($how)+)])? pub $name: $type,)+
        }

        impl Default for $section {
            fn default() -> Self {
                Self { $($name: $crate::config::schema::options!(@default $($default)?),)+ }
            }
        }

        impl $crate::config::schema::Described for $section {
            fn kind() -> $crate::config::schema::Kind {
                $crate::config::schema::section(vec![$((
                    $crate::config::schema::Field {
                        name: stringify!($name),
                        about: &[$($about),+],
                        kind: <$type as $crate::config::schema::Described>::kind(),
                    },
                    concat!($(stringify!($($how)+))?) == "flatten",
                )),+])
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
}

pub(super) use options;
