//! Go for tests: programs of one file, the modules that they import, and the program `nats`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::tools::{fetch, run};

/// Every package that a program of ours imports; its module's others come along.
const PACKAGES: [&str; 1] = ["github.com/nats-io/nats.go/jetstream@v1.55.0"];

/// The package of the program `nats`.
const NATS: &str = "github.com/nats-io/natscli/nats@v0.3.0";

/// The folder with the program `nats`, which takes a minute or two to build where it never was.
///
/// # Errors
/// When Go is missing, with how to get it, and when the program cannot be fetched or built.
pub fn nats_program() -> Result<PathBuf> {
    check()?;
    fetch("nats", NATS, |target| {
        // Beside tests that run meanwhile.
        let mut install = Command::new("nice");
        install.args(["-n", "19", "go", "install", NATS]);
        run(install.env("GOBIN", target).env("GOFLAGS", "-p=1"))
    })
}

/// Builds a program of one file with the modules; gives a command that runs it.
///
/// # Errors
/// When Go is missing, with how to get it, when the modules cannot be fetched, and with what the compiler says.
pub fn go(source: &Path) -> Result<Command> {
    let program = source.with_extension("");
    run(command(&module()?)
        .args(["build", "-o"])
        .arg(&program)
        .arg(source))?;
    Ok(Command::new(program))
}

/// The folder of a module that requires them all.
fn module() -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| install().map_err(|error| format!("{error:#}")));
    folder.clone().map_err(|error| anyhow!(error))
}

fn install() -> Result<PathBuf> {
    check()?;
    fetch("go", &PACKAGES.join("\n"), |target| {
        run(command(target).args(["mod", "init", "snippets"]))?;
        run(command(target).arg("get").args(PACKAGES))
    })
}

fn check() -> Result<()> {
    run(Command::new("go").arg("version"))
        .context("go is missing; on Debian: apt-get install golang-go, or https://go.dev/dl")
}

fn command(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder).env("GOWORK", "off");
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_find_the_modules() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("program.go");
        let text = "package main\n\nimport \"github.com/nats-io/nats.go/jetstream\"\n\n\
                    func main() { _ = jetstream.New }\n";
        std::fs::write(&source, text).unwrap();
        run(&mut go(&source).unwrap()).unwrap();
    }
}
