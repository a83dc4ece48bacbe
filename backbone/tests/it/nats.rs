//! The NATS backbone keeps the promises, on one server and on a cluster.

mod authentication;
mod deletion;
mod feed;
mod hostile;
mod lost_end;
mod node;
mod outage;
mod partitions;
mod registers;
mod startup;
mod streams;
mod sweeping;
mod tls;
mod tops;

mod one_server {
    use std::sync::Arc;

    use tidegate_backbone::conformance::{Cluster, Spread};
    use tidegate_testkit::nats::NatsServer;

    use super::node;

    async fn two_nodes() -> Cluster {
        let server = NatsServer::start().await.expect("a nats server");
        let (near, far) = (node::at(&server).await, node::at(&server).await);
        Cluster::new(Arc::new(near), Arc::new(far), Spread::AtOnce, server)
    }

    tidegate_backbone::conformance_tests!(two_nodes);
}

mod three_servers {
    use std::sync::Arc;

    use tidegate_backbone::conformance::{Cluster, Spread};
    use tidegate_testkit::nats::NatsCluster;

    use super::node;

    async fn two_nodes() -> Cluster {
        let servers = NatsCluster::start().await.expect("a nats cluster");
        let (near, far) = (
            node::at(&servers.servers[1]).await,
            node::at(&servers.servers[2]).await,
        );
        Cluster::new(Arc::new(near), Arc::new(far), Spread::Eventually, servers)
    }

    tidegate_backbone::conformance_tests!(two_nodes);
}
