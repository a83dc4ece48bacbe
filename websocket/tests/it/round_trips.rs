//! What one end writes, the other end reads.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_websocket::{
    Agreement, Decoder, DeflateOptions, Deflater, Event, Head, Inflater, Limits, Message, Opcode,
    Role, WindowBits, mask, write_masked_frame,
};

use crate::reading::read;
use crate::streams::sizes;

const LIMITS: Limits = Limits {
    message: 100_000,
    fragments: 200_000,
};

/// What is sent, and how.
#[derive(Debug, Clone)]
struct Sent {
    message: Message,
    is_deflated: bool,
    /// Bytes of each frame.
    frame: usize,
    /// Comes before the last frame.
    ping: Option<Vec<u8>>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let text = "([a-e]{1,9}|ä|😀){0,300}".prop_map(|text| Message::Text(text.into()));
    let binary = vec(any::<u8>(), 0..300).prop_map(|data| Message::Binary(data.into()));
    let repeated = (vec(any::<u8>(), 1..50), 0_usize..1_500)
        .prop_map(|(part, times)| Message::Binary(part.repeat(times).into()));
    let message = prop_oneof![text, binary, repeated];
    let ping = proptest::option::of(vec(any::<u8>(), 0..126));
    (message, any::<bool>(), 1_usize..2_000, ping).prop_map(
        |(message, is_deflated, frame, ping)| Sent {
            message,
            is_deflated,
            frame,
            ping,
        },
    )
}

fn agreements() -> impl Strategy<Value = Agreement> {
    let bits = (8_u8..16).prop_map(|bits| WindowBits::new(bits).expect("from 8 to 15"));
    (any::<bool>(), bits).prop_map(|(takeover, bits)| {
        let options = DeflateOptions {
            client_context_takeover: takeover,
            client_max_window: bits,
            ..DeflateOptions::FULL
        };
        let offer = options.offer();
        options
            .accept([offer.as_str()])
            .expect("it is our own offer")
    })
}

/// The frames of a message, with the ping before the last one.
fn frames(sent: &Sent, payload: &[u8], compressed: bool, out: &mut Vec<u8>) {
    let key = [7, 77, 177, 247];
    let opcode = match sent.message {
        Message::Text(_) => Opcode::Text,
        Message::Binary(_) => Opcode::Binary,
    };
    let mut pieces: Vec<&[u8]> = payload.chunks(sent.frame).collect();
    if pieces.is_empty() {
        pieces.push(b"");
    }
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len();
        if let Some(ping) = sent.ping.as_ref().filter(|_| last) {
            write_masked_frame(out, Opcode::Ping, ping, key);
        }
        let head = Head {
            last,
            compressed: compressed && index == 0,
            opcode: if index == 0 {
                opcode
            } else {
                Opcode::Continuation
            },
            mask: Some(key),
            length: piece.len() as u64,
        };
        head.write(out);
        let begin = out.len();
        out.extend_from_slice(piece);
        mask(&mut out[begin..], key, 0);
    }
}

fn payload(message: &Message) -> &Bytes {
    match message {
        Message::Text(payload) | Message::Binary(payload) => payload,
    }
}

fn expected(sent: &[Sent]) -> Vec<Event> {
    let events = |sent: &Sent| {
        let ping = sent.ping.clone().map(|ping| Event::Ping(ping.into()));
        ping.into_iter()
            .chain([Event::Message(sent.message.clone())])
    };
    sent.iter().flat_map(events).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn messages_arrive_as_they_were_sent(sent in vec(sent(), 0..6), sizes in sizes()) {
        let mut bytes = Vec::new();
        for one in &sent {
            frames(one, payload(&one.message), false, &mut bytes);
        }
        let mut decoder = Decoder::new(Role::Server);
        let reading = read(&mut decoder, &bytes, &sizes, &LIMITS, None);
        prop_assert_eq!(reading.violation, None);
        prop_assert_eq!(reading.events, expected(&sent));
        prop_assert!(decoder.is_idle());
    }

    #[test]
    fn deflated_messages_arrive_as_they_were_sent(
        sent in vec(sent(), 0..6),
        sizes in sizes(),
        agreement in agreements(),
        level in 1_u32..10,
    ) {
        let mut deflater = Deflater::new(level);
        let mut window = agreement.outgoing(Role::Client);
        let mut bytes = Vec::new();
        for one in &sent {
            let message = payload(&one.message);
            if !one.is_deflated {
                frames(one, message, false, &mut bytes);
                continue;
            }
            let mut deflated = Vec::new();
            match &mut window {
                Some(window) => deflater.deflate_in_context(message, window, &mut deflated),
                None => deflater.deflate(message, agreement.client_window, &mut deflated),
            }
            frames(one, &deflated, true, &mut bytes);
        }
        let mut decoder = Decoder::with_deflate(Role::Server, &agreement);
        let mut inflater = Inflater::new();
        let reading = read(&mut decoder, &bytes, &sizes, &LIMITS, Some(&mut inflater));
        prop_assert_eq!(reading.violation, None);
        prop_assert_eq!(reading.events, expected(&sent));
        prop_assert!(decoder.is_idle());
    }

    #[test]
    fn damaged_messages_are_refused_or_read_within_the_limit(
        sent in sent(),
        at in any::<proptest::sample::Index>(),
        change in any::<u8>(),
        limit in 0_usize..3_000,
    ) {
        let mut deflated = Vec::new();
        Deflater::new(6).deflate(payload(&sent.message), WindowBits::MAX, &mut deflated);
        let at = at.index(deflated.len());
        deflated[at] ^= change;
        let mut bytes = Vec::new();
        frames(&sent, &deflated, true, &mut bytes);
        let limits = Limits { message: limit, ..LIMITS };
        let mut inflater = Inflater::new();
        let reading = read(&mut Decoder::new(Role::Server), &bytes, &[], &limits, Some(&mut inflater));
        for event in &reading.events {
            if let Event::Message(message) = event {
                prop_assert!(payload(message).len() <= limit);
            }
        }
        let is_whole = reading.events.iter().any(|event| matches!(event, Event::Message(_)));
        prop_assert!(is_whole || reading.violation.is_some());
    }

    #[test]
    fn messages_that_are_cut_off_are_refused(message in vec(any::<u8>(), 1..2_000), at in any::<proptest::sample::Index>()) {
        let mut deflated = Vec::new();
        Deflater::new(6).deflate(&message, WindowBits::MAX, &mut deflated);
        // The last byte ends the message, and the empty message is the one that a cut may leave.
        let whole = deflated.len();
        deflated.truncate(1 + at.index(whole - 1));
        let mut bytes = Vec::new();
        let sent = Sent { message: Message::Binary(message.into()), is_deflated: true, frame: usize::MAX, ping: None };
        frames(&sent, &deflated, true, &mut bytes);
        let mut inflater = Inflater::new();
        let reading = read(&mut Decoder::new(Role::Server), &bytes, &[], &LIMITS, Some(&mut inflater));
        if deflated.len() < whole {
            let empty = [Event::Message(Message::Binary(Bytes::new()))];
            prop_assert!(reading.violation.is_some() || reading.events == empty);
        }
    }
}
