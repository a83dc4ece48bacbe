//! A program that runs beside a test: its lines are awaited, it is signalled, and it dies with its value.
//!
//! What it writes goes to files, so it never waits for a reader, and all of it stands in the error when it disappoints.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a program may take to say or do something: longer than the deadlines inside of our scripts.
const PATIENCE: Duration = Duration::from_secs(180);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// A running program.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdin: ChildStdin,
    folder: TempDir,
    /// Bytes of its output that were taken as lines.
    taken: usize,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn start(mut command: Command) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a program's output")?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(File::create(folder.path().join("out"))?)
            .stderr(File::create(folder.path().join("err"))?)
            .spawn()
            .with_context(|| format!("cannot run {:?}", command.get_program()))?;
        let stdin = child.stdin.take().context("a program has no input")?;
        Ok(Self {
            child,
            stdin,
            folder,
            taken: 0,
        })
    }

    /// Waits for the next line of its output.
    ///
    /// # Errors
    /// With everything it wrote, when it ends first or takes too long.
    pub async fn next_line(&mut self) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            // Asked before the output is read: what a program wrote before its end is there after it.
            let ended = self.child.try_wait()?;
            if let Some(line) = self.take_line()? {
                return Ok(line);
            }
            if let Some(status) = ended {
                bail!("the program ended with {status}\n{}", self.output());
            }
            self.pause(end).await?;
        }
    }

    /// Writes one line to its input.
    ///
    /// # Errors
    /// With everything it wrote, when it does not listen any more.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}").with_context(|| self.output())
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// With everything it wrote, when it takes too long.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            self.pause(end).await?;
        }
    }

    /// Waits until it ends well.
    ///
    /// # Errors
    /// With everything it wrote, when it fails or takes too long.
    pub async fn succeeded(&mut self) -> Result<()> {
        let status = self.ended().await?;
        if !status.success() {
            bail!("the program ended with {status}\n{}", self.output());
        }
        Ok(())
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn terminate(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::TERM)?)
    }

    /// Ends it as a power failure would, and waits until it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Freezes it: nothing of it runs until it is killed or told to go on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn freeze(&self) -> Result<()> {
        freeze(&self.child)
    }

    /// Lets it go on after [`Program::freeze`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn thaw(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::CONT)?)
    }

    /// Everything it wrote.
    #[must_use]
    pub fn output(&self) -> String {
        let text = |name| fs::read(self.folder.path().join(name)).unwrap_or_default();
        let (out, err) = (text("out"), text("err"));
        let (out, err) = (String::from_utf8_lossy(&out), String::from_utf8_lossy(&err));
        format!("--- output\n{out}--- errors\n{err}---")
    }

    fn take_line(&mut self) -> Result<Option<String>> {
        let out = fs::read(self.folder.path().join("out"))?;
        let rest = &out[self.taken..];
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        self.taken += end + 1;
        Ok(Some(String::from_utf8_lossy(&rest[..end]).into_owned()))
    }

    async fn pause(&self, end: Instant) -> Result<()> {
        if Instant::now() >= end {
            return Err(anyhow!(
                "nothing happened within {PATIENCE:?}\n{}",
                self.output()
            ));
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

/// The signal takes effect a moment after it is sent, so this waits until the system says that it has.
pub(crate) fn freeze(child: &Child) -> Result<()> {
    let pid = Pid::from_child(child);
    kill_process(pid, Signal::STOP)?;
    let stopped_or_gone = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = waitid(WaitId::Pid(pid), stopped_or_gone)?;
    let is_stopped = status.is_some_and(|status| status.stopped());
    ensure!(is_stopped, "the process is gone");
    Ok(())
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ended = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", text]);
        Program::start(command).unwrap()
    }

    #[tokio::test]
    async fn lines_come_in_order_and_the_end_is_noticed() {
        let mut program = shell("echo one; read line; echo \"$line\"; echo the reason >&2; exit 3");
        assert_eq!(program.next_line().await.unwrap(), "one");
        program.tell("two").unwrap();
        assert_eq!(program.next_line().await.unwrap(), "two");
        let error = program.next_line().await.unwrap_err().to_string();
        assert!(error.contains("the reason"), "{error}");
        let error = program.succeeded().await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
    }

    #[tokio::test]
    async fn a_program_is_asked_to_stop() {
        let mut program = shell("trap 'exit 0' TERM; echo ready; while :; do read line; done");
        assert_eq!(program.next_line().await.unwrap(), "ready");
        program.terminate().unwrap();
        program.succeeded().await.unwrap();
    }
}
