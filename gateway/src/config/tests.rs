//! The pipeline as a whole: sources in, a configuration or all its faults out.

mod contradictions;
mod faults;
mod formats;
mod keys;
mod moving;
mod overlays;
mod proxies;

use std::path::{Path, PathBuf};

use super::{Config, Faults, Loaded, Setting, load};

/// A file beside the tests.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/config")
        .join(name)
}

fn load_file(name: &str) -> Result<Loaded, Faults> {
    load(Some(&example(name)), [], Vec::new(), |_| Vec::new())
}

/// Loads options given by their paths.
fn load_options(options: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let flags = options
        .iter()
        .map(|(path, value)| Setting::flag("--set", path, value))
        .collect();
    load(None, [], flags, |_| Vec::new())
}

fn load_variables(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Loaded, Faults> {
    let file = file.map(example);
    let environment = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    load(file.as_deref(), environment, Vec::new(), |_| Vec::new())
}

fn config(loaded: Result<Loaded, Faults>) -> Config {
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
}

fn lines(loaded: Result<Loaded, Faults>) -> Vec<String> {
    loaded
        .unwrap_err()
        .0
        .iter()
        .map(ToString::to_string)
        .collect()
}
