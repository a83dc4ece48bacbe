//! Python for tests: scripts, and the packages that they import.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::tools::{pip_install, run};

/// Every package that a script of ours imports.
const PACKAGES: [&str; 6] = [
    "cent==5.2.0",
    "centrifuge-python==0.7.0",
    "grpcio==1.85.3",
    "nats-py==2.16.0",
    "protobuf==7.36.2",
    "websockets==17.4",
];

/// A command that runs a script, or a folder with a `__main__.py`, with the packages on its path.
///
/// # Errors
/// When Python or pip is missing, with how to get it, or when the packages cannot be fetched.
pub fn python(script: &Path) -> Result<Command> {
    let mut command = Command::new("python3");
    command
        .arg(script)
        .env("PYTHONPATH", packages()?)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

fn packages() -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| install().map_err(|error| format!("{error:#}")));
    folder.clone().map_err(|error| anyhow!(error))
}

fn install() -> Result<PathBuf> {
    run(Command::new("python3").arg("--version"))
        .context("python3 is missing; on Debian: apt-get install python3")?;
    pip_install("python", &PACKAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_the_packages() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.py");
        std::fs::write(
            &script,
            "import cent, centrifuge, google.protobuf, grpc, nats, websockets\n",
        )
        .unwrap();
        run(&mut python(&script).unwrap()).unwrap();
    }
}
