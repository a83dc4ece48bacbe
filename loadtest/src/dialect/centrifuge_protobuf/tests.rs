use tidegate_proto::{ConnectResult, Error, Publication, PublishResult, Push};

use super::*;
use crate::dialect::testing::{Said, opening, receive, sent};

fn commands(mut frame: &[u8]) -> Vec<Command> {
    std::iter::from_fn(|| split(&mut frame))
        .map(|message| Command::decode(message).unwrap())
        .collect()
}

fn push(offset: u64) -> Reply {
    let publication = Publication {
        data: b"payload".as_slice().into(),
        offset,
        ..Publication::default()
    };
    let push = Push {
        channel: "a".into(),
        r#pub: Some(publication),
        ..Push::default()
    };
    Reply {
        push: Some(push),
        ..Reply::default()
    }
}

#[test]
fn connect_and_subscriptions_are_one_frame() {
    let mut opening = opening(&["a-0", "a-1"]);
    let position = Position {
        epoch: "e".into(),
        offset: 7,
    };
    opening.subscriptions[1].recovery = Recovery::From(position);
    let frames = sent(|frames| CentrifugeProtobuf::default().open(&opening, frames));
    let commands = commands(&frames[0]);
    assert_eq!(commands.len(), 3);
    assert!(commands[0].connect.is_some());
    let (first, second) = (&commands[1].subscribe, &commands[2].subscribe);
    assert!(!first.as_ref().unwrap().recover);
    let second = second.as_ref().unwrap();
    assert_eq!(
        (&*second.epoch, second.offset, second.recover),
        ("e", 7, true)
    );
}

#[test]
fn a_frame_of_several_messages_is_taken_one_by_one() {
    let connect = ConnectResult {
        pong: true,
        ..ConnectResult::default()
    };
    let error = Error {
        code: 103,
        message: "permission denied".into(),
        ..Error::default()
    };
    let replies = [
        Reply {
            id: 1,
            connect: Some(connect),
            ..Reply::default()
        },
        Reply {
            id: 2,
            error: Some(error),
            ..Reply::default()
        },
        push(12),
        Reply::default(),
        Reply {
            id: 4,
            publish: Some(PublishResult {}),
            ..Reply::default()
        },
    ];
    let frame: Vec<u8> = replies
        .iter()
        .flat_map(Message::encode_length_delimited_to_vec)
        .collect();
    let dialect = CentrifugeProtobuf::default();
    let (said, answers) = receive(&dialect, &frame);
    let message = String::from_utf8_lossy(&push(12).encode_to_vec()).into_owned();
    let expected = [
        Said::Done(1),
        Said::Refused(2, "error 103: permission denied".into()),
        Said::Message(message),
        Said::Done(4),
    ];
    assert_eq!(said, expected);
    assert_eq!(answers, [[0]]);
    assert_eq!(dialect.offset(&push(12).encode_to_vec()), Some(12));
}

#[test]
fn a_message_that_is_cut_off_is_a_fault() {
    let mut frame = push(1).encode_length_delimited_to_vec();
    frame.pop();
    sent(|frames| {
        let taken = CentrifugeProtobuf::default().receive(Input(&frame), frames, &mut |_| {});
        assert!(taken.is_err());
    });
}

#[test]
fn recovered_publications_come_before_their_subscription() {
    let publications = [4, 9].map(|offset| Publication {
        offset,
        ..Publication::default()
    });
    let subscribe = SubscribeResult {
        was_recovering: true,
        recovered: true,
        epoch: "x".into(),
        offset: 3,
        publications: publications.into(),
        ..SubscribeResult::default()
    };
    let reply = Reply {
        id: 2,
        subscribe: Some(subscribe),
        ..Reply::default()
    };
    let frame = reply.encode_length_delimited_to_vec();
    let (said, _) = receive(&CentrifugeProtobuf::default(), &frame);
    let position = Position {
        epoch: "x".into(),
        offset: 9,
    };
    assert!(matches!(said[0], Said::Message(_)));
    assert_eq!(said[1], Said::Subscribed(2, position, true));
}
