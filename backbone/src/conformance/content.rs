//! Promises 3 and 4: publications arrive as they were given, and only on their own channel.

use std::iter;

use bytes::Bytes;

use super::{Cluster, channel, publication, publish};
use crate::{ClientInfo, Publication};

/// Names that a carrier might confuse.
const TRICKY: &[&str] = &[
    "a",
    "A",
    "a.b",
    "a.*",
    "a.>",
    "*",
    ">",
    ".",
    "..",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "a\0b",
    "$a",
    "$",
    "$$a",
    "#a",
    "a#b",
    "a$b",
    "_",
    "%",
    "a%2Eb",
    "a%20b",
    "ab:a",
    "$ab:a",
    "ab:$a",
    "ab:",
    "$ab:",
    "ab:_",
    "ab:a.b",
    "ab.a",
    "ab:a:b",
    "ab",
    "__:a",
    "ä",
    "a\u{308}",
    "a\u{a0}b",
    "日本.語",
    "a,b",
];

/// Who published and the labels, with characters that a carrier might take for its own.
pub async fn metadata_arrives_as_it_was_given(cluster: Cluster) {
    let channel = channel("chat:room");
    let ear = cluster.listen(&cluster.far, &channel).await;
    let info = ClientInfo {
        user: "ann: \"é\"\r\nTide-Tags: {}\r\n\r\n\0".to_owned(),
        client: "1f\u{7f}\u{2028}".to_owned(),
        conn_info: Bytes::from_static(b"{\"name\":\"Ann\"}\r\n"),
        chan_info: (0..=255).collect::<Vec<u8>>().into(),
    };
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let tags = [
        tag("", ""),
        tag("kind", "note"),
        tag(" k:\n ", "\r\n v \t💧"),
    ];
    let sent = [
        Publication {
            info: Some(info),
            tags: tags.into(),
            ..publication("both")
        },
        Publication {
            info: Some(ClientInfo::default()),
            ..publication("an info that says nothing")
        },
        Publication {
            tags: [tag("kind", "note")].into(),
            ..publication("tags")
        },
        publication("neither"),
    ];
    for publication in &sent {
        assert_eq!(
            cluster.near.publish(&channel, publication.clone()).await,
            Ok(None)
        );
    }
    assert_eq!(ear.hear(sent.len()).await, sent);
}

/// Nothing is read into a payload.
pub async fn any_bytes_arrive_as_they_were_given(cluster: Cluster) {
    let channel = channel("chat:room");
    let ear = cluster.listen(&cluster.far, &channel).await;
    let every_byte: Bytes = (0..=255).collect::<Vec<u8>>().into();
    let sent = [
        Bytes::new(),
        every_byte.clone(),
        Bytes::from_static(b"\r\nPUB tide.pub.chat.room 1\r\nx\r\n"),
        Bytes::from_static(b"NATS/1.0\r\n\r\n"),
        iter::repeat_n(every_byte, 2048)
            .flatten()
            .collect::<Vec<u8>>()
            .into(),
    ];
    for data in &sent {
        publish(&cluster.near, &channel, data.clone()).await;
    }
    let heard: Vec<_> = ear
        .hear(sent.len())
        .await
        .into_iter()
        .map(|publication| publication.data)
        .collect();
    assert_eq!(heard, sent);
}

/// Every listener hears its own channel only, whatever the names.
pub async fn channels_with_tricky_names_stay_apart(cluster: Cluster) {
    let mut ears = Vec::new();
    for name in TRICKY {
        ears.push(cluster.listen(&cluster.far, &channel(name)).await);
    }
    // The second round proves that nothing more came of the first.
    for round in ["first", "second"] {
        for name in TRICKY {
            publish(&cluster.near, &channel(name), format!("{round} on {name}")).await;
        }
    }
    for (name, ear) in TRICKY.iter().zip(&ears) {
        assert_eq!(
            ear.hear_texts(2).await,
            [format!("first on {name}"), format!("second on {name}")]
        );
    }
}
