//! The embedded archive is held to the promises, and refuses what it cannot read.

mod refusal;

use std::sync::Arc;

use tempfile::TempDir;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::conformance::Place;
use tidegate_history_service::store::embedded::Embedded;
use tidegate_history_service::store_tests;

struct Folder(TempDir);

impl Place for Folder {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Embedded::open(self.0.path()).expect("an archive"))
    }
}

fn folder() -> Folder {
    Folder(tempfile::tempdir().expect("a folder"))
}

store_tests!(folder);
