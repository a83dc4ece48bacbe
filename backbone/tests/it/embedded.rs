//! The embedded backbone keeps the promises.

use std::sync::Arc;

use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::embedded::Embedded;

async fn one_process() -> Cluster {
    let node = Arc::new(Embedded::new());
    Cluster::new(node.clone(), node, Spread::AtOnce, ())
}

tidegate_backbone::conformance_tests!(one_process);
