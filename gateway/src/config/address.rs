//! Where an option is: its path, and the environment variable that sets it.

use super::nearest::{nearest, unknown};
use super::schema::{Field, Kind};
use super::unoffered::UNOFFERED;

/// The list of namespaces, which is set apart from all other options.
pub(super) const NAMESPACES: &str = "channel.namespaces";

/// First letters of every variable of Tidegate's.
pub(super) const PREFIX: &str = "TIDEGATE_";

/// How an option is named from outside.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) path: String,
    pub(super) variable: String,
    /// Whether all that starts with it belongs to it: so is what Tidegate does not offer.
    pub(super) whole: bool,
}

impl Address {
    fn new(path: String, whole: bool) -> Self {
        Self {
            variable: variable(&path),
            path,
            whole,
        }
    }
}

/// The variable of a path: `client.insecure` is `TIDEGATE_CLIENT_INSECURE`.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace(['.', '-'], "_"))
}

/// The addresses of all options, given the names of the namespaces.
pub(super) fn addresses(fields: &[Field], namespaces: &[String]) -> Vec<Address> {
    let mut all = Vec::new();
    leaves(fields, "", namespaces, &mut all);
    for entry in UNOFFERED {
        match entry.path.strip_prefix("channel.*.") {
            None => all.push(Address::new(entry.path.to_owned(), true)),
            Some(name) => {
                all.push(Address::new(
                    format!("channel.without_namespace.{name}"),
                    true,
                ));
                let each = namespaces
                    .iter()
                    .map(|namespace| format!("{NAMESPACES}.{namespace}.{name}"));
                all.extend(each.map(|path| Address::new(path, true)));
            }
        }
    }
    all
}

fn leaves(fields: &[Field], section: &str, namespaces: &[String], all: &mut Vec<Address>) {
    for field in fields {
        let path = format!("{section}{}", field.name);
        match &field.kind {
            Kind::Section(inner) => leaves(inner, &format!("{path}."), namespaces, all),
            Kind::Namespaces(inner) if path == NAMESPACES => {
                let options = inner.iter().filter(|field| field.name != "name");
                let each = namespaces.iter().flat_map(|namespace| {
                    options
                        .clone()
                        .map(move |option| format!("{NAMESPACES}.{namespace}.{}", option.name))
                });
                all.extend(each.map(|path| Address::new(path, false)));
                all.push(Address::new(path, false));
            }
            _ => all.push(Address::new(path, false)),
        }
    }
}

/// The path that a variable sets.
pub(super) fn of_variable(
    addresses: &[Address],
    namespaces: &[String],
    name: &str,
) -> Result<String, String> {
    let list = variable(NAMESPACES);
    find(addresses, name, '_', |address| &address.variable).map_err(|message| {
        let of_namespace = name.starts_with(&format!("{list}_"));
        let mut prefixes = namespaces
            .iter()
            .map(|namespace| format!("{}_", variable(&format!("{NAMESPACES}.{namespace}"))));
        match of_namespace && !prefixes.any(|prefix| name.starts_with(&prefix)) {
            true => format!("names no namespace: list it in {list}"),
            false => message,
        }
    })
}

/// The path that a path means: itself, if it is known.
pub(super) fn of_path(addresses: &[Address], path: &str) -> Result<String, String> {
    find(addresses, path, '.', |address| &address.path)
}

fn find(
    addresses: &[Address],
    name: &str,
    separator: char,
    by: fn(&Address) -> &str,
) -> Result<String, String> {
    let exact: Vec<_> = addresses
        .iter()
        .filter(|address| !address.whole && by(address) == name)
        .collect();
    match exact[..] {
        [] => {}
        [address] => return Ok(address.path.clone()),
        [one, other, ..] => return Err(format!("may mean {} and {}", one.path, other.path)),
    }
    let inside = addresses
        .iter()
        .filter(|address| address.whole)
        .filter_map(|address| match name.strip_prefix(by(address))? {
            "" => Some((address, None)),
            rest => Some((address, Some(rest.strip_prefix(separator)?))),
        });
    match inside.max_by_key(|(address, _)| address.path.len()) {
        Some((address, None)) => Ok(address.path.clone()),
        Some((address, Some(rest))) => Ok(format!("{}.{}", address.path, rest.to_lowercase())),
        None => Err(unknown(nearest(name, addresses.iter().map(by)))),
    }
}
