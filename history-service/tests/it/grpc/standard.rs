//! The standard health service.

use anyhow::Result;
use tidegate_testkit::deadline::until_some;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::World;

const SERVICE: &str = "tidegate.history.v1.History";

#[tokio::test]
async fn health_says_whether_the_stream_answers() -> Result<()> {
    let world = World::new().await?;
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
