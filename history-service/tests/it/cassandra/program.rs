//! The program with an archive in a cluster: kills lose nothing and double nothing, two at once neither, and an outage of
//! the cluster delays.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tidegate_history_service::store::cassandra::Options;
use tidegate_proto::history as proto;
use tidegate_testkit::cassandra::CassandraNode;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::program::Program;
use tokio::time::Instant;
use tonic::Code;

use super::{SECOND, keyspace, node};
use crate::partitions::is_one_namespace;
use crate::program::{
    COUNT as SURVIVORS, World, archived, everything, has_all, publish_all, survive_kills,
};

/// Publications where nothing is killed.
const COUNT: usize = 2_000;

pub(super) fn arguments(options: &Options) -> [&str; 6] {
    [
        "--store",
        "cassandra",
        "--cassandra-nodes",
        &options.nodes[0],
        "--cassandra-keyspace",
        &options.keyspace,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_and_double_nothing() -> Result<()> {
    let options = keyspace(&node().await.node()).await?;
    let mut world = World::new().await?;
    survive_kills(&mut world, &arguments(&options)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_nothing_of_several_streams() -> Result<()> {
    let options = keyspace(&node().await.node()).await?;
    let mut world = World::spread().await?;
    survive_kills(&mut world, &arguments(&options)).await?;
    is_one_namespace(&world, &arguments(&options), SURVIVORS).await
}

/// Two services take in the same stream into the same tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_archive_each_publication_once() -> Result<()> {
    let options = keyspace(&node().await.node()).await?;
    let world = World::new().await?;
    let arguments = arguments(&options);
    // One after the other: the first makes the tables.
    let (_one, mut first) = world.start_with(&arguments).await?;
    let (_other, mut second) = world.start_with(&arguments).await?;
    publish_all(&world.publisher, &world.rooms, COUNT).await;
    for client in [&mut first, &mut second] {
        assert_eq!(archived(client, COUNT).await?, COUNT as u64);
        has_all(client, &world.rooms, COUNT).await?;
    }
    Ok(())
}

/// While the cluster is away reads say so, and what is published waits in the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_cluster_delays_and_loses_nothing() -> Result<()> {
    let _second = SECOND.lock().await;
    let mut cluster = CassandraNode::start().await?;
    let options = keyspace(&cluster.node()).await?;
    let world = World::new().await?;
    let (mut program, mut client) = world.start_with(&arguments(&options)).await?;
    publish_all(&world.publisher, &world.rooms, COUNT).await;
    cluster.kill()?;
    let request = proto::ReadRequest {
        channel: "chat:room".to_owned(),
        ..proto::ReadRequest::default()
    };
    let answer = client.read(request).await;
    let status = answer.err().context("there is no archive to read")?;
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    cluster.restart().await?;
    let is_back = async || everything(&mut client.clone(), &world.rooms[0]).await.ok();
    until_some("the cluster answers", is_back).await?;
    has_all(&mut client, &world.rooms, COUNT).await?;
    assert_eq!(archived(&client, COUNT).await?, COUNT as u64);
    program.terminate()?;
    program.succeeded().await
}

/// Without a cluster, or in a keyspace that is not there, the program ends and says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_keeps_it_from_starting_is_said() -> Result<()> {
    let mut options = Options::new(vec!["127.0.0.1:1".to_owned()], "nowhere");
    let begin = Instant::now();
    let output = refused(&options).await?;
    assert!(
        output.contains("cannot reach the Cassandra cluster at 127.0.0.1:1"),
        "{output}"
    );
    assert!(begin.elapsed() < Duration::from_secs(30));
    options.nodes = vec![node().await.node()];
    let output = refused(&options).await?;
    assert!(output.contains("no keyspace \"nowhere\""), "{output}");
    Ok(())
}

async fn refused(options: &Options) -> Result<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-history"));
    command
        .args(["--namespace", "chat"])
        .args(arguments(options));
    let mut program = Program::start(command)?;
    let ended = program.ended().await?;
    assert_eq!(ended.code(), Some(1));
    Ok(program.output())
}
