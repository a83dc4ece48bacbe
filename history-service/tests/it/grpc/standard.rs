//! The services that every server of gRPC has.

use anyhow::{Context, Result};
use futures_util::stream;
use tidegate_testkit::deadline::until_some;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::World;

const SERVICE: &str = "tidegate.history.v1.History";

#[tokio::test]
async fn health_says_whether_the_stream_answers() -> Result<()> {
    let world = World::new(Some("0123456789abcdef")).await?;
    let client = HealthClient::new(world.connection.clone());
    for (is_silent, expected) in [
        (false, ServingStatus::Serving),
        (true, ServingStatus::NotServing),
        (false, ServingStatus::Serving),
    ] {
        world.carrier.set_silent(is_silent);
        let probe = async || {
            let request = HealthCheckRequest {
                service: SERVICE.to_owned(),
            };
            let answer = client.clone().check(request).await.ok()?;
            (answer.into_inner().status() == expected).then_some(())
        };
        until_some("the state of the service", probe).await?;
    }
    Ok(())
}

#[tokio::test]
async fn reflection_tells_the_schema() -> Result<()> {
    let world = World::new(None).await?;
    let mut client = ServerReflectionClient::new(world.connection.clone());
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let answers = client.server_reflection_info(stream::iter([request]));
    let answer = answers.await?.into_inner().message().await?;
    let answer = answer.and_then(|it| it.message_response);
    let Some(MessageResponse::ListServicesResponse(found)) = answer else {
        anyhow::bail!("another answer: {answer:?}");
    };
    let names = found.service.iter().map(|it| it.name.as_str());
    let mut names = names.filter(|name| *name == SERVICE);
    names.next().context("the service is not listed")?;
    Ok(())
}
