//! A file system of which a state can be kept that a power cut would leave: ext4 in a file, mounted as a loop device.
//!
//! Whatever the kernel has not written to the device by then is not in the copy. The copy is taken between two of its
//! writes: one that was under way meanwhile makes it taken again.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tidegate_testkit::tools::run;

/// Bytes of the file system.
const SIZE: u64 = 256 * 1024 * 1024;

/// Times that a copy is tried.
const ATTEMPTS: usize = 200;

/// A mounted file system; gone with its value.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: TempDir,
    device: Option<PathBuf>,
}

impl Disk {
    /// An empty one.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a file system")?;
        let mut disk = Self {
            folder,
            device: None,
        };
        File::create(disk.image())?.set_len(SIZE)?;
        // Nothing is left for the kernel to do in the background.
        let options = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        let make = run(Command::new("mkfs.ext4").args(options).arg(disk.image()));
        let mounted = make.and_then(|()| disk.mount());
        mounted.context(
            "the power cut test needs Linux, root and loop devices, and it did not get them: it mounts ext4 file systems",
        )?;
        Ok(disk)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("mounted")
    }

    /// Makes everything that was written so far last.
    pub(crate) fn sync(&self) -> Result<()> {
        run(Command::new("sync").arg("--file-system").arg(self.path()))
    }

    /// Keeps what a power cut would leave now. Nothing may write to its files meanwhile.
    pub(crate) fn copy(&self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let before = self.writes()?;
            run(Command::new("cp")
                .arg("--sparse=always")
                .args([self.image(), self.cut()]))?;
            if before.under_way == 0 && self.writes()? == before {
                return Ok(());
            }
        }
        bail!("the kernel does not stop writing to the file system")
    }

    /// Mounts what was kept in the place of what is there now, of which no file may be open.
    pub(crate) fn restore(&mut self) -> Result<()> {
        self.unmount()?;
        fs::rename(self.cut(), self.image())?;
        self.mount()
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn cut(&self) -> PathBuf {
        self.folder.path().join("cut")
    }

    fn mount(&mut self) -> Result<()> {
        let mut losetup = Command::new("losetup");
        let found = losetup.args(["--find", "--show"]).arg(self.image());
        let found = found.output().context("cannot run losetup")?;
        let said = String::from_utf8_lossy(&found.stderr);
        ensure!(found.status.success(), "no loop device: {said}");
        let device = PathBuf::from(String::from_utf8(found.stdout)?.trim());
        self.device = Some(device.clone());
        fs::create_dir_all(self.path())?;
        run(Command::new("mount").arg(device).arg(self.path()))
    }

    fn unmount(&mut self) -> Result<()> {
        let Some(device) = self.device.take() else {
            return Ok(());
        };
        let unmounted = run(Command::new("umount").arg(self.path()));
        // A device that is still in use goes when it no longer is.
        run(Command::new("losetup").arg("--detach").arg(device))?;
        unmounted
    }

    fn writes(&self) -> Result<Writes> {
        let device = self.device.as_deref().and_then(Path::file_name);
        let device = device.context("it is not mounted")?;
        let file = Path::new("/sys/block").join(device).join("stat");
        let numbers = fs::read_to_string(file)?;
        let numbers = numbers.split_whitespace().map(str::parse);
        let numbers = numbers.collect::<Result<Vec<u64>, _>>()?;
        // Documentation/block/stat.rst of Linux.
        Ok(Writes {
            done: numbers[4],
            under_way: numbers[8],
        })
    }
}

/// What a device is asked to write.
#[derive(Debug, PartialEq, Eq)]
struct Writes {
    done: u64,
    under_way: u64,
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It may never have been mounted.
        let _gone = self.unmount();
    }
}
