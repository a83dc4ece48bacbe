//! What cannot be answered has the status that the schema names.

use std::time::Duration;

use anyhow::Result;
use tidegate_presence_service::message::Change;
use tidegate_presence_service::simulator::membership;
use tidegate_proto::presence as proto;
use tonic::{Code, Request};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus};

use crate::node::Node;
use crate::within::{World, of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_cannot_be_are_refused() -> Result<()> {
    let mut world = World::new().await?;
    let node = Node::start(&world.bus, "gw-1", 1).await?;
    for number in 0..3 {
        node.change(Change::Join(membership("room", number, 1)))
            .await;
    }
    world.holds(3).await?;
    let limited = |limit| proto::GetRequest {
        limit,
        ..of("room")
    };
    let first = world.client.get(limited(2)).await?.into_inner();
    let paged = |channel, token: &str| proto::GetRequest {
        page_token: token.to_owned(),
        ..of(channel)
    };
    for (request, expected) in [
        (of("room"), Ok(3)),
        (of("nobody"), Ok(0)),
        (limited(1_000), Ok(3)),
        (paged("room", &first.next_page_token), Ok(1)),
        (of(""), Err(Code::InvalidArgument)),
        (of(&"x".repeat(256)), Err(Code::InvalidArgument)),
        (of(&"x".repeat(70_000)), Err(Code::OutOfRange)),
        (limited(1_001), Err(Code::InvalidArgument)),
        (limited(u32::MAX), Err(Code::InvalidArgument)),
        (
            paged("other", &first.next_page_token),
            Err(Code::InvalidArgument),
        ),
        (paged("room", "nonsense"), Err(Code::InvalidArgument)),
    ] {
        let text = format!("{request:?}");
        let answer = world.client.get(request).await;
        let members = answer.map(|it| it.into_inner().members.len());
        assert_eq!(members.map_err(|it| it.code()), expected, "{:.200}", text);
    }
    let online = |users: Vec<String>| proto::OnlineRequest { users };
    for users in [vec![String::new()], vec!["u".to_owned(); 1_001]] {
        let refused = world.client.online(online(users)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    world.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_that_are_too_large_together_are_read_one_by_one() -> Result<()> {
    let mut world = World::new().await?;
    let node = Node::start(&world.bus, "gw-1", 1).await?;
    let channels: Vec<_> = (0..12).map(|it| format!("room-{it}")).collect();
    for (number, channel) in (0..).zip(&channels) {
        let mut large = membership(channel, number, 1);
        large.conn_info = vec![7; 200 * 1024].into();
        node.change(Change::Join(large)).await;
    }
    world.holds(12).await?;
    let request = proto::GetManyRequest {
        channels: channels.clone(),
        ..proto::GetManyRequest::default()
    };
    let pages = world.client.get_many(request).await?.into_inner().channels;
    let left_out = pages
        .iter()
        .zip(&channels)
        .filter(|(page, _)| page.members.is_empty());
    let left_out: Vec<_> = left_out.collect();
    assert_eq!(left_out.len(), 2);
    for (page, channel) in left_out {
        let request = proto::GetRequest {
            page_token: page.next_page_token.clone(),
            ..of(channel)
        };
        assert_eq!(
            world.client.get(request).await?.into_inner().members.len(),
            1
        );
    }
    world.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passes_ends_a_watch() -> Result<()> {
    let mut world = World::new().await?;
    world.holds(0).await?;
    let mut request = Request::new(proto::WatchRequest {
        channel: "room".to_owned(),
    });
    request.set_timeout(Duration::from_secs(3));
    let mut watch = world.client.watch(request).await?.into_inner();
    assert!(watch.message().await?.is_some_and(|it| it.is_live));
    let status = watch.message().await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
    world.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_when_it_is_ready() -> Result<()> {
    let mut world = World::new().await?;
    let mut health = HealthClient::new(world.connection.clone());
    let request = HealthCheckRequest {
        service: "tidegate.presence.v1.Presence".to_owned(),
    };
    let mut told = health.watch(request).await?.into_inner();
    loop {
        let status = told.message().await?.map(|it| it.status);
        if status == Some(ServingStatus::Serving.into()) {
            break;
        }
    }
    assert_eq!(world.nodes().await?.ready.len(), 64);
    world.end().await
}
