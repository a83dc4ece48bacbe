//! Connecting: a server that is not there yet is awaited, a mistake in the options is an error.

use tidegate_backbone::nats::{Authentication, ConnectError, Nats, NatsOptions};
use tidegate_backbone::{Backbone, Error};
use tidegate_testkit::deadline::until;
use tidegate_testkit::nats::NatsServer;

use super::node::{self, Ear, publication, room};

#[tokio::test]
async fn a_node_may_start_before_its_server() {
    let mut server = NatsServer::start().await.unwrap();
    server.kill().unwrap();
    let node = node::at(&server).await;
    assert!(!node.is_ready());
    let published = node.publish(&room(), publication("early")).await;
    assert!(
        matches!(published, Err(Error::Unavailable(_))),
        "{published:?}"
    );

    server.restart().await.unwrap();
    until("the node is ready", || node.is_ready())
        .await
        .unwrap();
    let mut ear = Ear::open(&node, &room()).await;
    assert_eq!(node.publish(&room(), publication("good")).await, Ok(None));
    assert_eq!(ear.next().await, publication("good"));
}

#[tokio::test]
async fn one_server_of_several_is_enough() {
    let server = NatsServer::start().await.unwrap();
    let mut gone = NatsServer::start().await.unwrap();
    gone.kill().unwrap();
    let urls = [gone.url(), server.url()];
    let node = Nats::connect(NatsOptions {
        urls: urls.into(),
        ..node::options(&server)
    })
    .await
    .unwrap();
    assert!(node.is_ready());
}

#[tokio::test]
async fn urls_that_cannot_be_used_are_named_without_credentials() {
    let table = [
        ("nats://ann:s3cret@one:4222", "nats://one:4222"),
        ("ann:s3cret@one", "one"),
        ("http://one", "http://one"),
        ("ws://one", "ws://one"),
        ("nats://", "nats://"),
        ("", ""),
    ];
    for (url, shown) in table {
        let error = Nats::connect(NatsOptions::new([url])).await.unwrap_err();
        let ConnectError::Url { url, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(url, shown);
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    assert!(matches!(
        Nats::connect(NatsOptions::new([""; 0])).await,
        Err(ConnectError::Url { .. })
    ));
}

#[tokio::test]
async fn a_prefix_with_a_wildcard_is_refused() {
    let options = NatsOptions {
        prefix: "tide.*".to_owned(),
        ..NatsOptions::new(["nats://127.0.0.1"])
    };
    assert!(matches!(
        Nats::connect(options).await,
        Err(ConnectError::Prefix(_))
    ));
}

#[tokio::test]
async fn wrong_files_are_errors_before_anything_connects() {
    let folder = tempfile::tempdir().unwrap();
    let (absent, wrong) = (folder.path().join("absent"), folder.path().join("wrong"));
    std::fs::write(&wrong, "s3cret").unwrap();
    for path in [absent, wrong] {
        for authentication in [
            Authentication::Credentials(path.clone()),
            Authentication::NkeySeedFile(path.clone()),
        ] {
            let options = NatsOptions {
                authentication,
                ..NatsOptions::new(["nats://127.0.0.1"])
            };
            let error = Nats::connect(options).await.unwrap_err();
            assert!(
                matches!(&error, ConnectError::File { path: named, .. } if *named == path),
                "{error}"
            );
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
        let mut options = NatsOptions::new(["nats://127.0.0.1"]);
        options.tls.ca_file = Some(path.clone());
        let error = Nats::connect(options).await.unwrap_err();
        assert!(
            matches!(&error, ConnectError::File { path: named, .. } if *named == path),
            "{error}"
        );
    }
}
