//! Removal from everything that is kept.

use anyhow::Result;
use tidegate_backbone::{Removed, hear_removed};
use tidegate_proto::history as proto;
use tokio::sync::mpsc;
use tonic::Code;

use super::{World, of, position, room, texts};

/// The stream has it no more either, gateways are told, and while the stream does not answer nothing is half done.
#[tokio::test]
async fn what_is_removed_is_out_of_stream_and_archive_and_nodes_are_told() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    let (told, mut heard) = mpsc::channel(16);
    let tell = move |removed| drop(told.try_send(removed));
    let _hearing = hear_removed(&*world.carrier, tell).await?;
    for number in 0..6 {
        world.carrier.put_text(&chat, &number.to_string());
    }
    world.ingest(0, 4).await;
    let request = |offset| proto::RemoveRequest {
        channel: "kept:chat".to_owned(),
        what: Some(proto::remove_request::What::One(position("", offset))),
    };
    world.carrier.set_silent(true);
    let refused = world.client.remove(request(2)).await;
    assert_eq!(
        refused.map_err(|it| it.code()).err(),
        Some(Code::Unavailable)
    );
    world.carrier.set_silent(false);
    let page = world.client.read(of("kept:chat")).await?.into_inner();
    assert_eq!(page.publications.len(), 6);
    // Archived, and not archived yet.
    for (offset, archived) in [(2, 1), (6, 0), (2, 0)] {
        let answer = world.client.remove(request(offset)).await?.into_inner();
        assert_eq!(answer.removed, archived, "{offset}");
        assert_eq!(heard.recv().await, Some(Removed::In(chat.clone())));
    }
    let kept = world.carrier.batch(0, 100).records;
    let kept: Vec<_> = kept.iter().map(|(_, it)| it.offset).collect();
    assert_eq!(kept, [1, 3, 4, 5]);
    let page = world.client.read(of("kept:chat")).await?.into_inner();
    assert_eq!(texts(&page.publications), ["0", "2", "3", "4"]);
    assert!(page.is_gapless);
    Ok(())
}
