//! Node.js for tests: scripts, and the npm packages that they import.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::tools::{fetch, run};

/// Every package that a script of ours imports. `protobufjs` is the version that `centrifuge` asks for.
const PACKAGES: [&str; 5] = [
    "@nats-io/transport-node@3.4.0",
    "centrifuge@5.8.0",
    "playwright-core@1.65.1",
    "protobufjs@7.6.6",
    "ws@8.23.0",
];

/// A command that runs a script, which finds the packages in the folder that `NODE_MODULES_DIR` names.
///
/// # Errors
/// When Node.js or npm is missing, with how to get it, or when the packages cannot be fetched.
pub fn node(script: &Path) -> Result<Command> {
    let mut command = Command::new("node");
    command.arg(script).env("NODE_MODULES_DIR", node_modules()?);
    Ok(command)
}

/// The `node_modules` folder with the packages.
///
/// # Errors
/// As for [`node`].
pub fn node_modules() -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| install().map_err(|error| format!("{error:#}")));
    folder.clone().map_err(|error| anyhow!(error))
}

fn install() -> Result<PathBuf> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        run(Command::new(program).arg("--version")).with_context(|| {
            format!("{program} is missing; on Debian: apt-get install {package}")
        })?;
    }
    let folder = fetch("node", &PACKAGES.join("\n"), |target| {
        let options = [
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--save-exact",
        ];
        let mut npm = Command::new("npm");
        npm.arg("install").args(options).arg("--prefix").arg(target);
        run(npm.args(PACKAGES))
    })?;
    Ok(folder.join("node_modules"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_find_the_packages() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.mjs");
        let text = "import { createRequire } from 'node:module';\n\
                    const require = createRequire(`${process.env.NODE_MODULES_DIR}/`);\n\
                    for (const name of ['@nats-io/transport-node', 'centrifuge', 'playwright-core', 'protobufjs', 'ws']) require(name);\n";
        std::fs::write(&script, text).unwrap();
        run(&mut node(&script).unwrap()).unwrap();
    }
}
