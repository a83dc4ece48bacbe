//! Three NATS servers that know each other.

use std::path::Path;

use anyhow::{Context, Result};

use super::NatsServer;
use crate::address;
use crate::deadline::until_some;

/// A cluster of three servers, complete when it is returned.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers.
    pub servers: Vec<NatsServer>,
}

impl NatsCluster {
    /// Starts it with the default configuration.
    ///
    /// # Errors
    /// When a server does not come up or they do not find each other.
    pub async fn start() -> Result<Self> {
        Self::start_with("").await
    }

    /// Starts each server with this configuration, which must not say names, ports or clusters.
    ///
    /// # Errors
    /// When a server does not come up or they do not find each other.
    pub async fn start_with(config: &str) -> Result<Self> {
        Self::start_at(config, [None; 3]).await
    }

    /// The same with JetStream's files of each server in a folder of these, which stay.
    ///
    /// # Errors
    /// When a server does not come up or they do not find each other.
    pub async fn start_on(config: &str, stores: [&Path; 3]) -> Result<Self> {
        Self::start_at(config, stores.map(Some)).await
    }

    async fn start_at(config: &str, stores: [Option<&Path>; 3]) -> Result<Self> {
        let first = start_first(config, stores[0]).await?;
        let route = first
            .route()
            .context("the first server has no cluster port")?;
        let others = [2, 3].map(|number| config_of(number, config, -1, &route));
        let [second, third] = &others;
        let (second, third) = tokio::try_join!(
            start_server(second, stores[1]),
            start_server(third, stores[2])
        )?;
        let cluster = Self {
            servers: vec![first, second, third],
        };
        cluster.complete().await?;
        Ok(cluster)
    }

    /// Waits until every server knows all of them.
    ///
    /// # Errors
    /// When they do not find each other.
    pub async fn complete(&self) -> Result<()> {
        for server in &self.servers {
            until_some("the servers of the cluster know each other", async || {
                let known = server.greeting().await.ok()?.known_servers();
                (known == self.servers.len()).then_some(())
            })
            .await?;
        }
        Ok(())
    }
}

/// Starts the server that the others find. With JetStream a server must have a route when it starts, and this one's is to
/// itself, so its port is chosen before. Another process may take it meanwhile: then another is tried.
async fn start_first(config: &str, store: Option<&Path>) -> Result<NatsServer> {
    let mut attempts = 3;
    loop {
        let port = address::free()?.port();
        let route = format!("nats://127.0.0.1:{port}");
        let config = config_of(1, config, port.into(), &route);
        match start_server(&config, store).await {
            Err(_) if attempts > 1 => attempts -= 1,
            started => return started,
        }
    }
}

async fn start_server(config: &str, store: Option<&Path>) -> Result<NatsServer> {
    match store {
        Some(store) => NatsServer::start_on(config, store).await,
        None => NatsServer::start_with(config).await,
    }
}

fn config_of(number: usize, config: &str, port: i32, route: &str) -> String {
    format!(
        "server_name: node-{number}\n\
         cluster {{ name: testkit, listen: \"127.0.0.1:{port}\", routes: [{route}] }}\n\
         {config}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_killed_server_comes_back_to_its_place() {
        let mut cluster = NatsCluster::start().await.unwrap();
        let url = cluster.servers[0].url();
        cluster.servers[0].kill().unwrap();
        assert!(cluster.servers[0].greeting().await.is_err());
        cluster.servers[0].restart().await.unwrap();
        assert_eq!(cluster.servers[0].url(), url);
        cluster.complete().await.unwrap();
        assert_eq!(
            cluster.servers[0].greeting().await.unwrap().server_name(),
            "node-1"
        );
    }
}
