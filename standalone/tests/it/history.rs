//! The history service in the same process: what clients publish, backends read, also after a kill.

use serde_json::json;
use tidegate_proto::history::history_client::HistoryClient;
use tidegate_proto::history::{ReadRequest, StatsRequest};
use tidegate_testkit::address;
use tidegate_testkit::deadline::until_some;
use tonic::transport::{Channel, Endpoint};

use super::scenario::{Format, Sdk, start};
use super::site::{Backbone, Site};

/// What the script publishes: numbers, and an end.
const PUBLISHED: usize = 1_001;

pub(crate) async fn client(url: &str) -> HistoryClient<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned()).unwrap();
    let connect = async || endpoint.connect().await.ok();
    HistoryClient::new(
        until_some("the history service answers", connect)
            .await
            .unwrap(),
    )
}

/// Every publication of the channel, read in pages.
pub(crate) async fn read(client: &mut HistoryClient<Channel>, channel: &str) -> Vec<String> {
    let mut request = ReadRequest {
        channel: channel.to_owned(),
        limit: 300,
        ..ReadRequest::default()
    };
    let mut found = Vec::new();
    loop {
        let page = client.read(request.clone()).await.unwrap().into_inner();
        assert!(page.is_gapless, "behind {} publications", found.len());
        let data = page.publications.iter().map(|it| &it.data);
        found.extend(data.map(|it| String::from_utf8_lossy(it).into_owned()));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn what_clients_publish_is_archived_and_read_over_grpc() {
    let address = address::free().unwrap();
    let mut site = Site::start(Backbone::Embedded, |config| {
        config["history_service"]["address"] = json!(address.to_string());
        let chat = &mut config["channel"]["namespaces"][0];
        chat["history_size"] = json!(2_000);
        chat["history_ttl"] = json!("10m");
        chat["archive"] = json!(true);
    })
    .await;
    let mut script = start(
        "speak",
        Sdk::JavaScript,
        Format::Json,
        site.near(),
        site.far(),
    );
    script.succeeded().await.unwrap();

    // Also what is not archived yet is read: it was confirmed before.
    let url = format!("http://{address}");
    let mut history = client(&url).await;
    let mut expected: Vec<_> = (0..PUBLISHED - 1).map(|it| it.to_string()).collect();
    expected.push("\"end\"".to_owned());
    assert_eq!(read(&mut history, "chat:room").await, expected);

    let archived = async || {
        let mut history = history.clone();
        let stats = history
            .stats(StatsRequest::default())
            .await
            .ok()?
            .into_inner();
        let count: u64 = stats.streams.iter().map(|it| it.publications).sum();
        (count == PUBLISHED as u64).then_some(())
    };
    until_some("all is archived", archived).await.unwrap();
    let gateway = &mut site.gateways[0];
    gateway.kill().unwrap();
    gateway.restart().await.unwrap();
    assert_eq!(read(&mut client(&url).await, "chat:room").await, expected);
}
