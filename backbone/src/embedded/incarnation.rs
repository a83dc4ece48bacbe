//! Which incarnation of a log this is: offsets go on from run to run, unless what they named may be gone.
//!
//! Only a power cut can take what was not synced. So when a run that synced at intervals did not end by itself, and the
//! machine has been started since, the log begins a new epoch: who recovers is told, and never missed in silence.

use std::sync::Arc;

use bytes::Bytes;

use super::options::Sync;
use super::tables::{Changes, Failure, Table, Tables};
use crate::Epoch;

const EPOCH: &[u8] = b"epoch";

/// Set while a run is under way that does not sync before it confirms: the boot that it runs in.
const UNSYNCED: &[u8] = b"unsynced";

/// Tells which boot of the machine this is, where the system does.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Begins a run.
pub(super) fn begin(tables: &dyn Tables, sync: Sync) -> Result<Epoch, Failure> {
    let boot = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    begin_in(boot.trim(), tables, sync)
}

fn begin_in(boot: &str, tables: &dyn Tables, sync: Sync) -> Result<Epoch, Failure> {
    let view = tables.view();
    let before = view.get(Table::Meta, EPOCH)?;
    let unsynced = view.get(Table::Meta, UNSYNCED)?;
    drop(view);
    let before = before.map(|it| String::from_utf8_lossy(&it).into_owned());
    let is_lost = unsynced.is_some_and(|it| boot.is_empty() || *it != *boot.as_bytes());
    if is_lost {
        tracing::warn!(
            "the machine stopped before everything was synced: publications of the last moments may be lost, so a new epoch \
             begins, and clients that recover are told that they may have missed some"
        );
    }
    let epoch = match before {
        Some(epoch) if !is_lost => epoch,
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

    #[test]
    fn an_epoch_lasts_until_something_may_be_lost() {
        let at_intervals = Sync::Interval(Duration::from_secs(1));
        for (sync, ends, boot, lasts) in [
            (Sync::Always, true, "b", true),
            (Sync::Always, false, "b", true),
            (at_intervals, true, "b", true),
            (at_intervals, false, "a", true),
            (at_intervals, false, "b", false),
            (at_intervals, false, "", false),
        ] {
            let tables = Memory::default();
            let first = begin_in("a", &tables, sync).unwrap();
            if ends {
                end(&tables).unwrap();
            }
            let second = begin_in(boot, &tables, sync).unwrap();
            assert_eq!(
                first == second,
                lasts,
                "{sync:?}, ended {ends}, boot {boot}"
            );
        }
    }
}
