//! Processes that keep the processors awake: they run only when nothing else does.

use std::env;
use std::hint::spin_loop;
use std::process::{Child, Command, Stdio};
use std::thread::{available_parallelism, yield_now};

use anyhow::{Context, Result};

/// Between two offers of the processor to others: some microseconds. Who wakes may otherwise wait for the next tick of the
/// scheduler, even behind one that runs only when nothing else does.
const SPINS: u32 = 100;

#[derive(Debug)]
pub(super) struct Spinners(Vec<Child>);

impl Spinners {
    /// One for each processor, if they are wanted. `chrt` gives them the policy under which they never delay anything.
    pub(super) fn start(wanted: bool) -> Result<Self> {
        let mut spinners = Self(Vec::new());
        let count = if wanted {
            available_parallelism()?.get()
        } else {
            0
        };
        for _ in 0..count {
            let child = Command::new("chrt")
                .args(["--idle", "0"])
                .arg(env::current_exe()?)
                .arg("spin")
                .stdin(Stdio::piped())
                .spawn()
                .context("--keep-cpus-awake needs chrt; on Debian: apt-get install util-linux")?;
            spinners.0.push(child);
        }
        Ok(spinners)
    }

    pub(super) fn processes(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(Child::id)
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended already, which is as good.
            let _killed = child.kill();
            let _waited = child.wait();
        }
    }
}

/// Spins until standard input ends, which it does with the process that started this one.
pub fn spin() {
    let watcher = std::thread::spawn(|| {
        let mut sink = String::new();
        // Whatever comes of it, there is nobody to spin for.
        let _read = std::io::stdin().read_line(&mut sink);
    });
    while !watcher.is_finished() {
        for _ in 0..SPINS {
            spin_loop();
        }
        yield_now();
    }
}
