//! What cannot be answered has the status that the schema names.

use std::time::Duration;

use anyhow::Result;
use tidegate_proto::history as proto;
use tidegate_proto::history::read_request::Start;
use tidegate_proto::history::remove_request::What;
use tonic::{Code, Request};

use super::{World, of, position, room};

fn at(channel: &str, epoch: &str, offset: u64) -> proto::ReadRequest {
    proto::ReadRequest {
        start: Some(Start::Position(position(epoch, offset))),
        ..of(channel)
    }
}

#[tokio::test]
async fn reads_that_cannot_be_are_refused() -> Result<()> {
    let mut world = World::new().await?;
    for _ in 0..3 {
        world.carrier.put_text(&room("kept:chat"), "x");
    }
    world.ingest(0, 2).await;
    let backward = |request| proto::ReadRequest {
        direction: proto::Direction::Backward.into(),
        ..request
    };
    let limited = |limit| proto::ReadRequest {
        limit,
        ..of("kept:chat")
    };
    let directed = proto::ReadRequest {
        direction: 7,
        ..of("kept:chat")
    };
    for (request, expected) in [
        (of(""), Err(Code::InvalidArgument)),
        (of("c:x"), Err(Code::InvalidArgument)),
        (of(&"x".repeat(256)), Err(Code::InvalidArgument)),
        (of(&"x".repeat(70_000)), Err(Code::OutOfRange)),
        (of("news"), Err(Code::FailedPrecondition)),
        (directed, Err(Code::InvalidArgument)),
        (limited(1_001), Err(Code::InvalidArgument)),
        // What a client makes of -1.
        (limited(u32::MAX), Err(Code::InvalidArgument)),
        (limited(1_000), Ok(3)),
        (limited(0), Ok(3)),
        (at("kept:chat", "", 0), Ok(3)),
        (at("kept:chat", "one", 0), Ok(3)),
        (at("kept:chat", "one", 3), Ok(0)),
        (at("kept:chat", "one", 4), Err(Code::OutOfRange)),
        (at("kept:chat", "", u64::MAX), Err(Code::OutOfRange)),
        (backward(at("kept:chat", "", u64::MAX)), Ok(3)),
        (backward(at("kept:chat", "", 0)), Ok(0)),
        (at("kept:chat", "other", 1), Err(Code::NotFound)),
        (
            at("kept:chat", &"e".repeat(65), 1),
            Err(Code::InvalidArgument),
        ),
    ] {
        let answer = world.client.read(request.clone()).await;
        let answer = answer.map(|it| it.into_inner().publications.len());
        assert_eq!(answer.map_err(|it| it.code()), expected, "{request:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_belongs_to_its_question() -> Result<()> {
    let mut world = World::new().await?;
    for name in ["kept:a", "kept:b", "kept:a", "kept:b"] {
        world.carrier.put_text(&room(name), "x");
    }
    let first = proto::ReadRequest {
        limit: 1,
        ..of("kept:a")
    };
    let token = world.client.read(first).await?.into_inner().next_page_token;
    let with = |token: &str, request| proto::ReadRequest {
        page_token: token.to_owned(),
        ..request
    };
    let backward = proto::ReadRequest {
        direction: proto::Direction::Backward.into(),
        ..of("kept:a")
    };
    for (request, expected) in [
        (with(&token, of("kept:a")), Ok(1)),
        (with(&token, of("kept:b")), Err(Code::InvalidArgument)),
        (with(&token, backward), Err(Code::InvalidArgument)),
        (
            with(&token, at("kept:a", "one", 0)),
            Err(Code::InvalidArgument),
        ),
        (with(&token[..10], of("kept:a")), Err(Code::InvalidArgument)),
        (with("?", of("kept:a")), Err(Code::InvalidArgument)),
        (with(&token[..22], of("kept:a")), Err(Code::InvalidArgument)),
    ] {
        let answer = world.client.read(request.clone()).await;
        let answer = answer.map(|it| it.into_inner().publications.len());
        assert_eq!(answer.map_err(|it| it.code()), expected, "{request:?}");
    }
    let channels = proto::ChannelsRequest {
        page_token: token,
        ..proto::ChannelsRequest::default()
    };
    let answer = world.client.channels(channels).await;
    assert_eq!(answer.expect_err("a refusal").code(), Code::InvalidArgument);
    Ok(())
}

#[tokio::test]
async fn single_publications_that_are_not_there_are_not_found() -> Result<()> {
    let mut world = World::new().await?;
    world.carrier.put_text(&room("kept:a"), "x");
    world.carrier.put_text(&room("kept:b"), "x");
    for (position, expected) in [
        (None, Code::InvalidArgument),
        (Some(position("one", 0)), Code::InvalidArgument),
        (Some(position("one", 2)), Code::NotFound),
        (Some(position("one", 9)), Code::NotFound),
        (Some(position("one", u64::MAX)), Code::NotFound),
        (Some(position("two", 1)), Code::NotFound),
    ] {
        let request = proto::GetRequest {
            channel: "kept:a".to_owned(),
            position: position.clone(),
        };
        let answer = world.client.get(request).await.map_err(|it| it.code());
        assert_eq!(answer.expect_err("a refusal"), expected, "{position:?}");
    }
    Ok(())
}

#[tokio::test]
async fn removals_name_something_and_take_nothing_ahead() -> Result<()> {
    let mut world = World::new().await?;
    let chat = room("kept:chat");
    world.carrier.put_text(&chat, "1");
    world.ingest(0, 1).await;
    let range = |first, last| {
        let epoch = String::new();
        What::Range(proto::OffsetRange { epoch, first, last })
    };
    for (what, expected) in [
        (None, Err(Code::InvalidArgument)),
        (Some(What::Everything(false)), Err(Code::InvalidArgument)),
        (Some(What::One(position("", 0))), Err(Code::InvalidArgument)),
        (Some(range(5, 4)), Err(Code::InvalidArgument)),
        (Some(What::One(position("other", 1))), Err(Code::NotFound)),
        (Some(What::One(position("", 2))), Ok(0)),
        (Some(range(2, u64::MAX)), Ok(0)),
        (Some(range(1, u64::MAX)), Ok(1)),
    ] {
        let request = proto::RemoveRequest {
            channel: "kept:chat".to_owned(),
            what,
        };
        let answer = world.client.remove(request.clone()).await;
        let answer = answer.map(|it| it.into_inner().removed);
        assert_eq!(answer.map_err(|it| it.code()), expected, "{request:?}");
    }
    world.carrier.put_text(&chat, "2");
    let page = world.client.read(of("kept:chat")).await?.into_inner();
    assert_eq!(super::texts(&page.publications), ["2"], "it came later");
    Ok(())
}

#[tokio::test]
async fn without_the_stream_nothing_is_told_to_be_the_newest() -> Result<()> {
    let mut world = World::new().await?;
    world.carrier.put_text(&room("kept:chat"), "x");
    world.ingest(0, 1).await;
    world.carrier.set_silent(true);
    let answer = world.client.read(of("kept:chat")).await;
    assert_eq!(answer.expect_err("a refusal").code(), Code::Unavailable);
    Ok(())
}

#[tokio::test]
async fn a_deadline_ends_a_call() -> Result<()> {
    let mut world = World::new().await?;
    let mut request = Request::new(of("kept:chat"));
    request
        .metadata_mut()
        .insert("grpc-timeout", "soon".parse()?);
    let answer = world.client.read(request).await;
    assert_eq!(answer.expect_err("a refusal").code(), Code::InvalidArgument);
    let mut replay = Request::new(proto::ReplayRequest {
        channel: "kept:chat".to_owned(),
        start: None,
    });
    replay.set_timeout(Duration::from_secs(3));
    let mut replay = world.client.replay(replay).await?.into_inner();
    let ended = loop {
        match replay.message().await {
            Ok(Some(_)) => {}
            ended => break ended,
        }
    };
    assert_eq!(ended.expect_err("an end").code(), Code::DeadlineExceeded);
    world.carrier.freeze();
    let mut request = Request::new(of("kept:chat"));
    request.set_timeout(Duration::from_millis(200));
    let ended = world.client.read(request).await.expect_err("an end");
    // This client counts the time itself, too, and has another word for it.
    assert!(matches!(
        ended.code(),
        Code::DeadlineExceeded | Code::Cancelled
    ));
    Ok(())
}
