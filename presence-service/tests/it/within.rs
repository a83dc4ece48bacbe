//! A service within this process, over the embedded backbone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::{Backbone, Bus, Message, Topic};
use tidegate_presence_service::grpc::Access;
use tidegate_presence_service::message::Change;
use tidegate_presence_service::roster;
use tidegate_presence_service::service::{PATIENCE, Service, ServiceError};
use tidegate_presence_service::simulator::{client, connection, membership};
use tidegate_proto::presence as proto;
use tidegate_proto::presence::presence_client::PresenceClient;
use tidegate_testkit::deadline::until_some;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

use crate::node::{Collector, Node, PARTITIONS};

pub(crate) struct World {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) client: PresenceClient<Channel>,
    pub(crate) connection: Channel,
    stop: Option<oneshot::Sender<()>>,
    service: JoinHandle<Result<(), ServiceError>>,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let backbone: Arc<dyn Backbone> = Arc::new(Embedded::new());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let service = Service {
            backbone: Arc::clone(&backbone),
            options: roster::Options {
                replica: "within".to_owned(),
                partitions: PARTITIONS,
                settle: Duration::from_millis(200),
                patience: PATIENCE,
                max_entries: 100_000,
                last_seen_ttl: Duration::from_secs(3_600),
                last_seen_max: 1_000,
            },
            access: Access::default(),
            probes: None,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let service = tokio::spawn(service.run(Some(listener), stopped));
        let connection = Endpoint::from_shared(url)?.connect().await?;
        Ok(Self {
            bus: backbone,
            client: PresenceClient::new(connection.clone()),
            connection,
            stop: Some(stop),
            service,
        })
    }

    pub(crate) async fn nodes(&mut self) -> Result<proto::NodesResponse> {
        Ok(self
            .client
            .nodes(proto::NodesRequest {})
            .await?
            .into_inner())
    }

    /// Waits until it holds so many memberships of nodes that have told everything.
    pub(crate) async fn holds(&mut self, memberships: u64) -> Result<proto::NodesResponse> {
        let client = self.client.clone();
        let holds = async || {
            let nodes = client
                .clone()
                .nodes(proto::NodesRequest {})
                .await
                .ok()?
                .into_inner();
            let is_whole = nodes.nodes.iter().all(|it| it.missing == 0);
            let is_ready = nodes.ready.len() == PARTITIONS as usize;
            (is_whole && is_ready && nodes.memberships == memberships).then_some(nodes)
        };
        until_some("the service holds everything", holds).await
    }

    async fn user(&mut self, user: &str) -> Result<proto::UserResponse> {
        let request = proto::UserRequest {
            user: user.to_owned(),
            without_channels: false,
        };
        Ok(self.client.user(request).await?.into_inner())
    }

    async fn states(&mut self, users: [&str; 2]) -> Result<Vec<proto::UserState>> {
        let users = users.map(str::to_owned).to_vec();
        let request = proto::OnlineRequest { users };
        Ok(self.client.online(request).await?.into_inner().users)
    }

    pub(crate) async fn end(mut self) -> Result<()> {
        drop(self.stop.take());
        Ok(self.service.await??)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_there_is_told_page_by_page() -> Result<()> {
    let mut world = World::new().await?;
    let node = Node::start(&world.bus, "gw-1", 1).await?;
    for number in 0..250 {
        node.change(Change::Join(membership("chat:lobby", number, number % 7)))
            .await;
    }
    world.holds(250).await?;
    let (mut request, mut clients) = (of("chat:lobby"), Vec::new());
    request.limit = 60;
    loop {
        let page = world.client.get(request.clone()).await?.into_inner();
        assert_eq!(
            page.count,
            Some(proto::Count {
                clients: 250,
                users: 7
            })
        );
        assert!(page.members.len() <= 60 && !page.is_incomplete);
        clients.extend(page.members.into_iter().map(|it| it.client));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let mut expected: Vec<_> = (0..250).map(|it| client(it).to_string()).collect();
    expected.sort();
    assert_eq!(clients, expected);
    let many = proto::StatsManyRequest {
        channels: vec!["nobody".to_owned(), "chat:lobby".to_owned()],
    };
    let counts = world.client.stats_many(many).await?.into_inner().counts;
    assert_eq!(
        counts.iter().map(|it| it.clients).collect::<Vec<_>>(),
        [0, 250]
    );
    world.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_are_told_with_what_they_do() -> Result<()> {
    let mut world = World::new().await?;
    let online = Collector::default();
    let topic = Topic::presence_online(None);
    let _hears = world
        .bus
        .hear(&topic, None, Arc::new(online.clone()))
        .await?;
    world.holds(0).await?;
    let node = Node::start(&world.bus, "gw-1", 1).await?;
    for channel in ["chat:a", "chat:b"] {
        node.change(Change::Join(membership(channel, 1, 5))).await;
    }
    for number in [1, 2] {
        node.change(Change::Connect(connection(number, 5))).await;
    }
    world.holds(2).await?;
    let user = world.user("user-5").await?;
    assert_eq!(
        (
            user.connection_count,
            user.connections.len(),
            user.last_seen
        ),
        (2, 2, 0)
    );
    assert!(
        user.connections
            .iter()
            .all(|it| it.node == "gw-1" && it.transport == "websocket")
    );
    let channels: Vec<_> = user
        .channels
        .iter()
        .map(|it| (&*it.channel, it.connections))
        .collect();
    assert_eq!(channels, [("chat:a", 1), ("chat:b", 1)]);
    for number in [1, 2] {
        node.change(Change::Disconnect {
            client: client(number),
        })
        .await;
    }
    let told = async || (online.all().len() >= 2).then(|| online.all());
    let told = until_some("backends hear that the user went", told).await?;
    let told: Vec<serde_json::Value> = told
        .iter()
        .map(|it| serde_json::from_slice(&it.1))
        .collect::<Result<_, _>>()?;
    assert_eq!(
        (&told[0]["user"], &told[0]["online"]),
        (&"user-5".into(), &true.into())
    );
    assert_eq!(told[1]["online"], false);
    let states = world.states(["user-9", "user-5"]).await?;
    assert_eq!(states[0], proto::UserState::default());
    assert!(!states[1].is_online);
    assert_eq!(told[1]["last_seen"], states[1].last_seen);
    world.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sees_who_is_there_and_then_who_comes_and_goes() -> Result<()> {
    let mut world = World::new().await?;
    let node = Node::start(&world.bus, "gw-1", 1).await?;
    node.change(Change::Join(membership("room", 1, 1))).await;
    world.holds(1).await?;
    let request = proto::WatchRequest {
        channel: "room".to_owned(),
    };
    let mut watch = world.client.watch(request).await?.into_inner();
    let first = watch
        .message()
        .await?
        .context("a watch begins with who is there")?;
    assert!(first.is_live && first.joined.len() == 1);
    node.change(Change::Join(membership("elsewhere", 2, 1)))
        .await;
    node.change(Change::Join(membership("room", 2, 1))).await;
    let second = watch.message().await?.context("somebody came")?;
    assert_eq!(second.joined[0].client, client(2).to_string());
    drop(node);
    let third = watch
        .message()
        .await?
        .context("they went with their node")?;
    assert_eq!(third.left.len(), 2, "{third:?}");
    world.end().await?;
    let status = watch.message().await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_asked_for() -> Result<()> {
    let mut world = World::new().await?;
    let node = Node::start(&world.bus, "gw-1", 1).await?;
    node.change(Change::Join(membership("room", 1, 1))).await;
    world.holds(1).await?;
    node.change_unheard(Change::Join(membership("room", 2, 1)));
    node.change_unheard(Change::Connect(connection(2, 1)));
    let nodes = world.holds(2).await?;
    assert_eq!(nodes.connections, 1);
    world.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_cannot_be_are_counted_by_name_and_change_nothing() -> Result<()> {
    use tidegate_proto::node;
    let mut world = World::new().await?;
    let gateway = Node::start(&world.bus, "gw-1", 1).await?;
    gateway.change(Change::Join(membership("room", 1, 1))).await;
    world.holds(1).await?;
    let beat = |version, partitions| {
        let beat = node::Beat {
            version,
            node: "gw-2".to_owned(),
            incarnation: 1,
            partitions,
            lease_ms: 10_000,
            channel_numbers: vec![0; 64],
            user_numbers: vec![0; 64],
            ..node::Beat::default()
        };
        prost::Message::encode_to_vec(&beat)
    };
    let short = node::Beat {
        lease_ms: 1,
        version: 1,
        partitions: 64,
        ..node::Beat::default()
    };
    for bytes in [
        beat(2, 64),
        beat(1, 32),
        prost::Message::encode_to_vec(&short),
        vec![7; 99],
    ] {
        world
            .bus
            .tell(&Topic::presence_beats(), Message::new(bytes))
            .await?;
    }
    let faults = [
        "other_version",
        "other_partition_count",
        "strange_numbers",
        "malformed",
    ];
    let mut client = world.client.clone();
    let counted = async || {
        let told = client
            .nodes(proto::NodesRequest {})
            .await
            .ok()?
            .into_inner()
            .faults;
        let is_told = |name: &&str| told.iter().any(|it| it.name == **name && it.count == 1);
        faults.iter().all(is_told).then_some(())
    };
    until_some("each is counted once", counted).await?;
    let nodes = world.nodes().await?;
    assert_eq!((nodes.nodes.len(), nodes.memberships), (1, 1));
    world.end().await
}

pub(crate) fn of(channel: &str) -> proto::GetRequest {
    proto::GetRequest {
        channel: channel.to_owned(),
        ..proto::GetRequest::default()
    }
}
