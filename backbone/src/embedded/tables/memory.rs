//! Tables in memory.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use bytes::Bytes;

use super::{Changes, Failure, Rows, Table, Tables, View};

/// Tables that last as long as the process.
#[derive(Debug, Default)]
pub(in crate::embedded) struct Memory {
    rows: RwLock<BTreeMap<Table, BTreeMap<Bytes, Bytes>>>,
}

impl Tables for Memory {
    fn view(&self) -> Box<dyn View + '_> {
        Box::new(Locked(
            self.rows.read().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for ((table, key), value) in changes {
            let table = rows.entry(table).or_default();
            match value {
                Some(value) => table.insert(key.into(), value),
                None => table.remove(&*key),
            };
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Nothing changes as long as this is held.
struct Locked<'a>(RwLockReadGuard<'a, BTreeMap<Table, BTreeMap<Bytes, Bytes>>>);

impl View for Locked<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn rows(&self, table: Table, from: &[u8], to: &[u8]) -> Rows<'_> {
        let (from, to) = (Bytes::copy_from_slice(from), Bytes::copy_from_slice(to));
        let rows = self.0.get(&table).filter(|_| from < to);
        let rows = rows.into_iter().flat_map(move |it| {
            let range = from.clone()..to.clone();
            it.range(range)
        });
        Box::new(rows.map(|(key, value)| Ok((key.clone(), value.clone()))))
    }
}
