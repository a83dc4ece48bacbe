//! Which incarnation of a log this is: offsets go on from run to run, unless what they named may be gone.
//!
//! Only a power cut can take what was not synced. So when a run that synced at intervals did not end by itself, and the
//! machine has been started since, the log begins a new epoch: who recovers is told, and never missed in silence. The same
//! when there is no mark. A log that ends before its mark is damaged.

use std::sync::Arc;

use bytes::Bytes;

use super::mark::Mark;
use super::options::{OpenError, Sync};
use super::tables::{Changes, Failure, Table, Tables};
use crate::Epoch;

const EPOCH: &[u8] = b"epoch";

/// Set while a run is under way that does not sync before it confirms: the boot that it runs in.
const UNSYNCED: &[u8] = b"unsynced";

/// Tells which boot of the machine this is, where the system does.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Begins a run of a log in which `stored` publications were ever stored.
pub(super) fn begin(
    tables: &dyn Tables,
    sync: Sync,
    mark: Option<&Mark>,
    stored: u64,
) -> Result<Epoch, OpenError> {
    let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    begin_in(boot.trim(), tables, sync, mark, stored)
}

fn begin_in(
    boot: &str,
    tables: &dyn Tables,
    sync: Sync,
    mark: Option<&Mark>,
    stored: u64,
) -> Result<Epoch, OpenError> {
    let view = tables.view();
    let before = view.get(Table::Meta, EPOCH)?;
    let unsynced = view.get(Table::Meta, UNSYNCED)?;
    drop(view);
    let before = before.map(|it| String::from_utf8_lossy(&it).into_owned());
    let is_cut = unsynced.is_some_and(|it| boot.is_empty() || *it != *boot.as_bytes());
    let marked = mark.and_then(Mark::found);
    if let (Some(mark), Some(marked)) = (mark, marked)
        && marked > stored
        && !is_cut
    {
        return Err(OpenError::Behind {
            mark: mark.path().to_owned(),
            stored,
            marked,
        });
    }
    let is_unmarked = mark.is_some() && marked.is_none() && stored > 0;
    if is_cut || is_unmarked {
        tracing::warn!(
            "publications of the last moments before this start may be lost, so a new epoch begins, and clients that recover \
             are told that they may have missed some"
        );
    }
    let epoch = match before {
        Some(epoch) if !is_cut && !is_unmarked => epoch,
        _ => format!("{:016x}", rand::random::<u64>()),
    };
    let unsynced = (sync != Sync::Always).then(|| Bytes::from(boot.to_owned()));
    write(
        tables,
        &[(EPOCH, Some(epoch.clone().into())), (UNSYNCED, unsynced)],
    )?;
    Ok(Arc::from(epoch))
}

/// Ends a run of which everything is stored.
pub(super) fn end(tables: &dyn Tables) -> Result<(), Failure> {
    tables.sync()?;
    write(tables, &[(UNSYNCED, None)])
}

fn write(tables: &dyn Tables, rows: &[(&[u8], Option<Bytes>)]) -> Result<(), Failure> {
    let change =
        |(key, value): &(&[u8], Option<Bytes>)| ((Table::Meta, key.to_vec()), value.clone());
    let changes: Changes = rows.iter().map(change).collect();
    tables.apply(changes)?;
    tables.sync()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::embedded::tables::Memory;

    const AT_INTERVALS: Sync = Sync::Interval(Duration::from_secs(1));

    #[test]
    fn an_epoch_lasts_until_something_may_be_lost() {
        for (sync, ends, boot, lasts) in [
            (Sync::Always, true, "b", true),
            (Sync::Always, false, "b", true),
            (AT_INTERVALS, true, "b", true),
            (AT_INTERVALS, false, "a", true),
            (AT_INTERVALS, false, "b", false),
            (AT_INTERVALS, false, "", false),
        ] {
            let tables = Memory::default();
            let first = begin_in("a", &tables, sync, None, 0).unwrap();
            if ends {
                end(&tables).unwrap();
            }
            let second = begin_in(boot, &tables, sync, None, 0).unwrap();
            assert_eq!(
                first == second,
                lasts,
                "{sync:?}, ended {ends}, boot {boot}"
            );
        }
    }

    #[test]
    fn a_log_that_ends_before_its_mark_is_damaged_unless_the_power_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mark");
        let tables = Memory::default();
        let begin = |boot, stored| {
            let mark = Mark::open(&path).unwrap();
            begin_in(boot, &tables, AT_INTERVALS, Some(&mark), stored)
        };
        let first = begin("a", 0).unwrap();
        Mark::open(&path).unwrap().set(9).unwrap();
        assert_eq!(begin("a", 9).unwrap(), first);
        assert_eq!(begin("a", 10).unwrap(), first);
        let refused = begin("a", 8).unwrap_err().to_string();
        assert!(refused.contains(path.to_str().unwrap()), "{refused}");
        let second = begin("b", 8).unwrap();
        assert_ne!(second, first);
        std::fs::remove_file(&path).unwrap();
        assert_ne!(begin("b", 8).unwrap(), second);
    }
}
