//! What the standard health service says of each service on a port.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// Between two looks at whether services are ready.
const LOOK: Duration = Duration::from_millis(200);

/// A service's name, and whether it is ready now.
pub(super) struct State {
    pub(super) name: &'static str,
    pub(super) is_ready: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Keeps what is said up to date until the port stops. Who watches is told then, and left: a watch does not hold the stop up.
pub(super) async fn report(
    mut reporter: HealthReporter,
    states: &[State],
    mut stopping: watch::Receiver<bool>,
) -> Infallible {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let mut whole = ServingStatus::Serving;
        for state in states {
            let status = match (state.is_ready)() {
                true => ServingStatus::Serving,
                false => ServingStatus::NotServing,
            };
            if status == ServingStatus::NotServing {
                whole = status;
            }
            reporter.set_service_status(state.name, status).await;
        }
        // Who names no service, as Kubernetes does, asks for the whole.
        reporter.set_service_status("", whole).await;
        tokio::select! {
            _ = looks.tick() => {}
            // A stopper that is gone stops, too.
            _ = stopping.wait_for(|is_stopping| *is_stopping) => break,
        }
    }
    for name in states.iter().map(|it| it.name).chain([""]) {
        reporter
            .set_service_status(name, ServingStatus::NotServing)
            .await;
        reporter.clear_service_status(name).await;
    }
    std::future::pending().await
}
