//! What a process uses, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The length of a tick of the kernel's process times.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) resident_bytes: usize,
    pub(crate) cpu: Duration,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
            .context("a process has a size")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before it may hold spaces. User and system time are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(')').context("a process has a name")?;
        let ticks: u32 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse().unwrap_or(0))
            .sum();
        Ok(Self {
            resident_bytes: resident.trim().parse::<usize>()? * 1024,
            cpu: TICK * ticks,
        })
    }

    /// Bytes that came since `before`, for each of `count`.
    pub(crate) fn bytes_each_since(&self, before: &Self, count: usize) -> i64 {
        (self.resident_bytes as i64 - before.resident_bytes as i64) / count.max(1) as i64
    }

    /// Microseconds of CPU since `before`, for each of `count`.
    pub(crate) fn micros_each_since(&self, before: &Self, count: usize) -> f64 {
        let micros = (self.cpu - before.cpu).as_secs_f64() * 1e6 / count.max(1) as f64;
        (micros * 100.0).round() / 100.0
    }
}
