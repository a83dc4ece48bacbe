//! Notices of publications that were removed on purpose: what a node has of them at hand it lets go of.

use std::sync::Weak;
use std::time::Duration;

use tidegate_backbone::{Removed, hear_removed};
use tokio::time::sleep;

use super::Interest;

/// Between two attempts to hear of removals.
const PAUSE: Duration = Duration::from_millis(500);

/// Heeds notices until the node is gone.
pub(crate) async fn heed(interest: Weak<Interest>) {
    let _subscription = loop {
        let Some(node) = interest.upgrade() else {
            return;
        };
        let of = Weak::clone(&interest);
        let heard = hear_removed(&*node.backbone, move |removed| {
            if let Some(interest) = of.upgrade() {
                interest.forget(&removed);
            }
        });
        match heard.await {
            Ok(subscription) => {
                // Nothing was heard until now.
                node.forget(&Removed::Anywhere);
                break subscription;
            }
            Err(error) => {
                tracing::debug!(%error, "cannot hear of removals yet, trying again");
            }
        }
        drop(node);
        sleep(PAUSE).await;
    };
    std::future::pending().await
}

#[cfg(test)]
mod tests;
