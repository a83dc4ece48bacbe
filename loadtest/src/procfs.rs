//! What `/proc` says about processes and the machine: CPU time, memory, and who else is busy.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::param::{clock_ticks_per_second, page_size};
use serde::{Deserialize, Serialize};

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all threads, those that have ended too.
    pub cpu: Duration,
    /// Bytes of memory that are resident.
    pub resident: u64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(process: u32) -> io::Result<Self> {
        let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
        let usage = Self::parse(&text, clock_ticks_per_second(), page_size() as u64);
        let mut usage = usage
            .ok_or_else(|| io::Error::other(format!("/proc/{process}/stat is not as expected")))?;
        // The threads that live are known to the nanosecond. Without one that has ended they fall short of the whole,
        // which is known to two ticks.
        let threads = cpu_of_threads(process);
        if threads + Duration::from_millis(20) > usage.cpu {
            usage.cpu = threads;
        }
        Ok(usage)
    }

    /// Of several together. Those that have ended count nothing.
    #[must_use]
    pub fn of_all(processes: &[u32]) -> Self {
        let usages = processes
            .iter()
            .filter_map(|process| Self::of(*process).ok());
        usages.fold(Self::default(), |sum, usage| Self {
            cpu: sum.cpu + usage.cpu,
            resident: sum.resident + usage.resident,
        })
    }

    fn parse(text: &str, ticks_per_second: u64, page: u64) -> Option<Self> {
        // The program's name is in parentheses and may hold anything, so fields are counted from its end.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let ticks = number(11)? + number(12)?;
        Some(Self {
            cpu: Duration::from_secs(ticks) / u32::try_from(ticks_per_second).ok()?,
            resident: number(21)? * page,
        })
    }
}

/// CPU time of the threads of a process that have not ended.
fn cpu_of_threads(process: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Duration::ZERO;
    };
    let times = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ')
            .next()?
            .parse()
            .ok()
            .map(Duration::from_nanos)
    });
    times.sum()
}

/// A process's memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub resident: u64,
    /// Shared pages counted in proportion.
    pub proportional: u64,
    /// Not backed by a file.
    pub anonymous: u64,
}

impl Memory {
    /// Of several processes together. Those that have ended count nothing.
    #[must_use]
    pub fn of_all(processes: &[u32]) -> Self {
        let files = processes
            .iter()
            .map(|process| format!("/proc/{process}/smaps_rollup"));
        let texts = files.filter_map(|file| fs::read_to_string(file).ok());
        texts.fold(Self::default(), |sum, text| {
            let one = Self::parse(&text);
            Self {
                resident: sum.resident + one.resident,
                proportional: sum.proportional + one.proportional,
                anonymous: sum.anonymous + one.anonymous,
            }
        })
    }

    fn parse(text: &str) -> Self {
        let kilobytes = |name| field(text, name).unwrap_or_default() * 1_024;
        Self {
            resident: kilobytes("Rss:"),
            proportional: kilobytes("Pss:"),
            anonymous: kilobytes("Anonymous:"),
        }
    }
}

/// Bytes of the kernel's own objects: sockets and what belongs to them, of both ends when both are on this machine.
#[must_use]
pub fn kernel_objects() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    field(&text, "Slab:").unwrap_or_default() * 1_024
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// CPU time that all of the machine was busy, and had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Busy {
    pub busy: Duration,
    pub total: Duration,
}

impl Busy {
    /// Since the machine's start.
    #[must_use]
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&text, clock_ticks_per_second()).unwrap_or_default()
    }

    fn parse(text: &str, ticks_per_second: u64) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        // The last two are the guests', which are part of the first two.
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map_while(|field| field.parse().ok())
            .collect();
        let total: u64 = ticks.iter().sum();
        let idle = ticks.get(3)? + ticks.get(4)?;
        let seconds = |ticks: u64| Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64);
        Some(Self {
            busy: seconds(total - idle),
            total: seconds(total),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_s_figures_are_those_of_the_kernel_s_table() {
        let text = "7 (a (b) c) S 1 7 7 0 -1 0 1 2 3 4 150 50 9 9 20 0 3 0 99 1000 25 0";
        let usage = Usage::parse(text, 100, 4_096).unwrap();
        assert_eq!(usage.cpu, Duration::from_secs(2));
        assert_eq!(usage.resident, 25 * 4_096);
        assert_eq!(Usage::parse("7 (a) S 1", 100, 4_096), None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "00400000-7ffd [rollup]\nRss:  20 kB\nPss:  10 kB\nAnonymous:  4 kB\n";
        let memory = Memory::parse(text);
        let expected = Memory {
            resident: 20_480,
            proportional: 10_240,
            anonymous: 4_096,
        };
        assert_eq!(memory, expected);
    }

    #[test]
    fn the_machine_is_busy_when_it_is_not_idle() {
        let text = "cpu  10 20 30 400 100 5 5 30 7 7\ncpu0 1 2\n";
        let busy = Busy::parse(text, 100).unwrap();
        assert_eq!(busy.busy, Duration::from_secs(1));
        assert_eq!(busy.total, Duration::from_secs(6));
    }

    #[test]
    fn this_process_has_memory_and_others_do_not_exist() {
        let process = std::process::id();
        let usage = Usage::of(process).unwrap();
        assert!(usage.resident > 0);
        assert!(usage.cpu > Duration::ZERO, "finer than a tick");
        assert!(Memory::of_all(&[process]).proportional > 0);
        assert!(Usage::of(u32::MAX).is_err());
        assert_eq!(Usage::of_all(&[u32::MAX]), Usage::default());
    }
}
