//! The line to the conductor: orders from standard input, notices to standard output.

use std::io::{self, Read, Write};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;

use crate::order::{Assignment, Notice, Order};

/// Bytes of the longest order: what was published to each of many channels.
const LIMIT: usize = 64 << 20;

/// Whole lines in and out.
#[derive(Debug)]
pub(super) struct Line {
    pending: Vec<u8>,
}

impl Line {
    pub(super) fn new() -> Self {
        let pending = Vec::new();
        Self { pending }
    }

    /// The first line.
    pub(super) fn assignment(&mut self) -> Result<Assignment> {
        loop {
            if let Some(assignment) = self.take()? {
                return Ok(assignment);
            }
            self.fill()?;
        }
    }

    /// Reads what has come, once standard input is readable.
    pub(super) fn listen(&mut self) -> Result<()> {
        self.fill()
    }

    /// The orders that have been read.
    pub(super) fn orders(&mut self) -> Result<Vec<Order>> {
        let mut orders = Vec::new();
        while let Some(order) = self.take()? {
            orders.push(order);
        }
        Ok(orders)
    }

    /// Says something.
    pub(super) fn tell(&mut self, notice: &Notice) -> Result<()> {
        let mut line = serde_json::to_vec(notice)?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line).context("the conductor is gone")?;
        Ok(out.flush()?)
    }

    fn fill(&mut self) -> Result<()> {
        let mut chunk = [0; 64 << 10];
        let count = io::stdin().lock().read(&mut chunk)?;
        ensure!(count > 0, "the conductor is gone");
        self.pending.extend_from_slice(&chunk[..count]);
        ensure!(self.pending.len() <= LIMIT, "an endless order");
        Ok(())
    }

    fn take<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        let Some(end) = memchr::memchr(b'\n', &self.pending) else {
            return Ok(None);
        };
        let taken = serde_json::from_slice(&self.pending[..end]);
        self.pending.drain(..=end);
        Ok(Some(taken.context("not an order")?))
    }
}
