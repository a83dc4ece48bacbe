//! Who is where, over two gateways on one NATS server and the presence service.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate_backbone::Backbone as AnyBackbone;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_presence_service::grpc::Access;
use tidegate_presence_service::roster;
use tidegate_presence_service::service::Service;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::scenario::{self, Format, Sdk, scenarios};
use super::site::{Backbone, SECRET, Site};

/// How long a gateway may be silent.
const LEASE: Duration = Duration::from_secs(3);

mod inside {
    use super::scenarios;

    scenarios! { both on Embedded, crate::presence::beside: presence presence_loop joins_and_leaves }
}
scenarios! { both on Nats, crate::presence::play: presence presence_loop joins_and_leaves }
scenarios! { javascript on Nats, crate::presence::play: joins_and_leaves_debounced }
scenarios! { python on Nats, crate::presence::play: presence_for_backends }
scenarios! { javascript on Nats, crate::presence::kill: presence_after_a_kill }
scenarios! { javascript on Nats, crate::presence::stall: presence_after_a_stall }
scenarios! { javascript on Nats, crate::presence::lose_nats: presence_after_an_outage }
scenarios! { javascript on Nats, crate::presence::beside: presence_without_service }

/// The presence service in this process.
struct Replica {
    stop: oneshot::Sender<()>,
    run: JoinHandle<()>,
}

impl Replica {
    async fn start(site: &Site, name: &str) -> Self {
        let url = site.nats.as_ref().unwrap().url();
        let nats = Nats::observe(NatsOptions::new([url]), []).await.unwrap();
        let nats: Arc<dyn AnyBackbone> = Arc::new(nats);
        let service = Service {
            backbone: Arc::clone(&nats),
            options: roster::Options {
                replica: name.to_owned(),
                partitions: 64,
                settle: Duration::from_millis(100),
                patience: Duration::from_secs(5),
                max_entries: 10_000,
                last_seen_ttl: Duration::from_secs(60),
                last_seen_max: 100,
            },
            access: Access::default(),
            probes: None,
        };
        let (stop, stopped) = oneshot::channel();
        let run = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            service.run(None, stopped).await.unwrap();
            nats.shutdown().await;
        });
        Self { stop, run }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.run.await.unwrap();
    }
}

/// Adds namespaces with presence; answers may take a moment, for the service begins with the gateways.
pub(crate) fn see(config: &mut Value) {
    config["presence"] = json!({ "lease": "3s", "timeout": "10s" });
    config["http_api"] = json!({ "key": SECRET });
    let namespaces = config["channel"]["namespaces"].as_array_mut().unwrap();
    for (name, forced, debounce) in [
        ("seen", false, "0s"),
        ("told", true, "0s"),
        ("calm", false, "1s"),
    ] {
        namespaces.push(json!({
            "name": name,
            "allow_subscribe_for_client": true,
            "allow_publish_for_subscriber": true,
            "presence": true,
            "join_leave": true,
            "force_push_join_leave": forced,
            "join_leave_debounce": debounce,
            "allow_presence_for_subscriber": true,
        }));
    }
}

/// Plays a scenario beside one replica of the presence service.
async fn play(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let site = Site::start(backbone, see).await;
    let replica = Replica::start(&site, "one").await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    replica.stop().await;
}

/// Plays a scenario without a presence service but the one that `tidegate` has inside where there is no NATS.
async fn beside(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let site = Site::start(backbone, see).await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
}

/// Kills the far gateway when the script says so. Two replicas know of it; subscribers are told once.
async fn kill(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let mut site = Site::start(backbone, see).await;
    let replicas = [
        Replica::start(&site, "one").await,
        Replica::start(&site, "two").await,
    ];
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    site.gateways[1].kill().unwrap();
    let killed = Instant::now();
    script.tell("killed").unwrap();
    assert_eq!(script.next_line().await.unwrap(), "left");
    eprintln!("left after {:?}", killed.elapsed());
    // What must not happen has no event to wait for.
    sleep(3 * LEASE).await;
    script.tell("end").unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    for replica in replicas {
        replica.stop().await;
    }
}

/// Freezes the far gateway for longer than its lease when the script says so, and lets it go on. Two replicas know of it.
async fn stall(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let site = Site::start(backbone, see).await;
    let replicas = [
        Replica::start(&site, "one").await,
        Replica::start(&site, "two").await,
    ];
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    site.far().freeze().unwrap();
    script.tell("frozen").unwrap();
    let left = script.next_line().await;
    site.far().thaw().unwrap();
    assert_eq!(left.unwrap(), "left");
    script.tell("thawed").unwrap();
    assert_eq!(script.next_line().await.unwrap(), "back");
    // What must not happen has no event to wait for.
    sleep(3 * LEASE).await;
    script.tell("end").unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    for replica in replicas {
        replica.stop().await;
    }
}

/// Kills NATS under gateways and presence service, and starts it again on its port.
async fn lose_nats(name: &str, sdk: Sdk, format: Format, backbone: Backbone) {
    let quickly = |config: &mut Value| {
        see(config);
        config["presence"]["timeout"] = json!("3s");
    };
    let mut site = Site::start(backbone, quickly).await;
    let replica = Replica::start(&site, "one").await;
    let mut script = scenario::start(name, sdk, format, site.near(), site.far());
    assert_eq!(script.next_line().await.unwrap(), "ready");
    site.nats.as_mut().unwrap().kill().unwrap();
    script.tell("lost").unwrap();
    assert_eq!(script.next_line().await.unwrap(), "refused");
    site.nats.as_mut().unwrap().restart().await.unwrap();
    script.tell("back").unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    replica.stop().await;
}
