//! Finds entries of a table by what they are, with their number only: four bytes and a hint each.

use hashbrown::HashTable;

#[derive(Debug, Default)]
pub(super) struct Index(HashTable<u32>);

impl Index {
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.0.find(hash, |at| is_it(*at)).copied()
    }

    /// Adds an entry that is not there. `hash_of` tells the hash of any that is.
    pub(super) fn insert(&mut self, hash: u64, at: u32, hash_of: impl Fn(u32) -> u64) {
        self.0.insert_unique(hash, at, |at| hash_of(*at));
    }

    pub(super) fn remove(&mut self, hash: u64, at: u32) {
        if let Ok(entry) = self.0.find_entry(hash, |it| *it == at) {
            entry.remove();
        }
    }
}
