//! The programs of this workspace, for tests of crates that have none of their own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::tools::run;
use anyhow::{Context, Result, anyhow};

/// Every binary that an image has.
pub const NAMES: [&str; 4] = [
    "tidegate-gateway",
    "tidegate-history",
    "tidegate-presence",
    "tidegate",
];

/// The path of a binary. Where tests of the whole workspace run it was built with them; else, when one is missing, all of
/// them are built first.
///
/// # Errors
/// When they cannot be built.
pub fn binary(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let path = folder.clone().map_err(|error| anyhow!(error))?.join(name);
    path.is_file()
        .then_some(path)
        .with_context(|| format!("there is no binary {name}"))
}

/// The folder that they are in, once they are there.
fn build() -> Result<PathBuf> {
    // Tests are in `deps`, beside which the binaries are.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2);
    let folder = folder.context("a test in a folder of folders")?;
    if NAMES.iter().all(|name| folder.join(name).is_file()) {
        return Ok(folder.to_owned());
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked", "--bins", "--workspace"]);
    run(command.current_dir(env!("CARGO_MANIFEST_DIR")))?;
    Ok(folder.to_owned())
}
