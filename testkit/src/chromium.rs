//! Chromium for tests: the system's own, or Debian's package.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::tools::{lock, run};

/// The path of `chromium`. Where there is none, and apt-get may be used, it is installed.
///
/// # Errors
/// When there is none and it cannot be installed; with how to get it.
pub fn chromium() -> Result<PathBuf> {
    if let Some(found) = find("chromium") {
        return Ok(found);
    }
    if !geteuid().is_root() || find("apt-get").is_none() {
        bail!("chromium is missing; on Debian: apt-get install chromium");
    }
    // Test binaries that start together do not install twice.
    let _lock = lock("chromium")?;
    if find("chromium").is_none() {
        eprintln!("chromium is missing: installing Debian's package");
        run(Command::new("apt-get").arg("update"))?;
        let install = ["install", "--yes", "--no-install-recommends", "chromium"];
        let mut command = Command::new("apt-get");
        run(command
            .args(install)
            .env("DEBIAN_FRONTEND", "noninteractive"))
        .context("cannot install chromium; on Debian: apt-get install chromium")?;
    }
    find("chromium").context("chromium is installed, but not to be found in PATH")
}

/// The path of a program in `PATH`.
fn find(program: &str) -> Option<PathBuf> {
    let output = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| path.trim().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some_and(|path| path.is_absolute()));
        assert_eq!(find("no-such-program"), None);
    }
}
