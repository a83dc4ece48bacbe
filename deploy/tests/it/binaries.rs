//! The programs that containers start, as this workspace builds them.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};
use tidegate_testkit::tools::run;

/// Every binary that an image has.
pub(crate) const NAMES: [&str; 3] = ["tidegate-gateway", "tidegate-history", "tidegate"];

/// The path of a binary. All of them are built first, which takes no time where the tests of the workspace run.
///
/// # Errors
/// When they cannot be built.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let path = folder.clone().map_err(|error| anyhow!(error))?.join(name);
    path.is_file()
        .then_some(path)
        .with_context(|| format!("there is no binary {name}"))
}

/// Builds them, and gives the folder that they are in.
fn build() -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--locked"]);
    for name in NAMES {
        command.args(["--bin", name]);
    }
    for package in ["tidegate-gateway", "tidegate-history-service", "tidegate"] {
        command.args(["--package", package]);
    }
    run(command.current_dir(env!("CARGO_MANIFEST_DIR")))?;
    // Tests are in `deps`, beside which the binaries are.
    let test = std::env::current_exe()?;
    let folder = test
        .ancestors()
        .nth(2)
        .context("a test in a folder of folders")?;
    Ok(folder.to_owned())
}
