//! The workers' processes: started, told, heard, and ended.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::order::{Assignment, Notice, Order, Pace, Role};
use crate::plan::{Plan, Publishers};

/// Notices that wait for the conductor; a worker that tells more waits itself.
const NOTICES: usize = 1_024;

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Every,
    Subscribers,
    Publishers,
}

#[derive(Debug)]
struct Worker {
    child: Child,
    input: ChildStdin,
    member: Member,
}

/// What a worker said; `None` at its end.
type Heard = (usize, Option<Result<Notice>>);

#[derive(Debug)]
pub(super) struct Crew {
    workers: Vec<Worker>,
    heard: Receiver<Heard>,
}

impl Crew {
    /// Starts the processes of a plan: subscribers first, publishers last.
    pub(super) fn start(plan: &Plan) -> Result<Self> {
        let (tell, heard) = sync_channel(NOTICES);
        let mut crew = Self {
            workers: Vec::new(),
            heard,
        };
        for index in 0..plan.processes {
            let of = plan.processes;
            let role = Role::Subscribers { index, of };
            crew.add(&assignment(plan, role), &tell)?;
        }
        if let Some(publishers) = &plan.publishers {
            crew.add(&publishing(plan, publishers), &tell)?;
        }
        Ok(crew)
    }

    pub(super) fn len(&self) -> usize {
        self.workers.len()
    }

    /// The ids of all processes of this program.
    pub(super) fn processes(&self) -> Vec<u32> {
        let workers = self.workers.iter().map(|worker| worker.child.id());
        workers.chain([std::process::id()]).collect()
    }

    pub(super) fn tell(&mut self, whom: Member, order: &Order) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let told = |worker: &&mut Worker| whom == Member::Every || worker.member == whom;
        for worker in self.workers.iter_mut().filter(told) {
            worker.input.write_all(&line).context("a worker is gone")?;
        }
        Ok(())
    }

    /// Tells one worker: subscribers have the first numbers.
    pub(super) fn tell_one(&mut self, index: usize, order: &Order) -> Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let input = &mut self.workers[index].input;
        input.write_all(&line).context("a worker is gone")
    }

    /// The next notice, if one comes in time.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Option<(usize, Notice)>> {
        match self.heard.recv_timeout(wait) {
            Ok((index, Some(notice))) => Ok(Some((index, notice?))),
            Ok((index, None)) => self.ended(index).map(|()| None),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // Every worker has ended, and each was heard of.
            Err(RecvTimeoutError::Disconnected) => bail!("all workers are gone"),
        }
    }

    fn ended(&mut self, index: usize) -> Result<()> {
        let status = self.workers[index].child.wait()?;
        match status.success() {
            true => Ok(()),
            false => bail!("a worker ended with {status}"),
        }
    }

    fn add(&mut self, assignment: &Assignment, tell: &SyncSender<Heard>) -> Result<()> {
        let program = env::current_exe().context("this program's file is not known")?;
        let mut child = Command::new(program)
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("a worker cannot be started")?;
        let mut input = child.stdin.take().context("a worker has no input")?;
        let output = child.stdout.take().context("a worker has no output")?;
        let mut line = serde_json::to_vec(assignment)?;
        line.push(b'\n');
        input.write_all(&line).context("a worker is gone")?;
        let (index, tell) = (self.workers.len(), tell.clone());
        thread::spawn(move || listen(index, output, &tell));
        self.workers.push(Worker {
            child,
            input,
            member: match assignment.role {
                Role::Subscribers { .. } => Member::Subscribers,
                Role::Publishers { .. } => Member::Publishers,
            },
        });
        Ok(())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // It may have ended already, which is as good.
            let _killed = worker.child.kill();
            let _waited = worker.child.wait();
        }
    }
}

/// Passes on what a worker says until its end.
fn listen(index: usize, output: ChildStdout, tell: &SyncSender<Heard>) {
    let lines = BufReader::new(output).split(b'\n');
    for line in lines {
        let notice = line
            .context("a worker cannot be heard")
            .and_then(|line| serde_json::from_slice(&line).context("a worker says nonsense"));
        if tell.send((index, Some(notice))).is_err() {
            return;
        }
    }
    // A conductor that is gone need not know.
    let _told = tell.send((index, None));
}

fn assignment(plan: &Plan, role: Role) -> Assignment {
    let processes = f64::from(plan.processes);
    Assignment {
        roster: plan.roster.clone(),
        dialect: plan.dialect,
        targets: plan.targets.clone(),
        bare: false,
        credentials: plan.credentials.clone(),
        role,
        pace: Pace {
            per_second: plan.pace.per_second.map(|rate| rate / processes),
            concurrency: plan.pace.concurrency.div_ceil(plan.processes),
            ..plan.pace
        },
        sources: plan.sources,
        subject: "{channel}".into(),
        inputs: plan.inputs,
        churn: plan.churn / processes,
        blink: plan.blink,
        slow: plan.slow,
    }
}

fn publishing(plan: &Plan, publishers: &Publishers) -> Assignment {
    let role = Role::Publishers {
        connections: publishers.connections,
    };
    Assignment {
        dialect: publishers.dialect,
        targets: vec![publishers.target.clone()],
        bare: publishers.bare,
        subject: publishers.subject.clone(),
        inputs: 0.0,
        churn: 0.0,
        blink: None,
        slow: None,
        ..assignment(plan, role)
    }
}
