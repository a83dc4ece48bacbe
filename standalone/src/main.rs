//! temporary
use std::sync::Arc;
fn main() -> anyhow::Result<()> {
    let mut config = tidegate_gateway::config::Config::default();
    config.client.insecure = true;
    config.playground.enabled = true;
    config.prometheus.enabled = true;
    config.http_server.port = 8123;
    tidegate_gateway::logging::start(&config.log);
    actix_web::rt::System::new().block_on(tidegate_gateway::run(config, Arc::new(tidegate_backbone::embedded::Embedded::new()), |_| {}))?;
    Ok(())
}
