//! Sockets that take what they are told to, and logs that must not mind.

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_codec::Format;
use tidegate_websocket::{Decoder, Event, Limits, Message, Role};

use super::*;

/// One subscriber with a socket that takes what it is told to.
struct Reader {
    outbox: Rc<Outbox>,
    cursor: Rc<Cursor>,
    decoder: Decoder,
    read: Vec<String>,
}

impl Reader {
    fn of(log: &Rc<Log>, limit: usize) -> Self {
        let outbox = Rc::new(Outbox::new(log.wire(), limit));
        Self {
            cursor: log.join(&outbox),
            outbox,
            decoder: Decoder::new(Role::Client),
            read: Vec::new(),
        }
    }

    /// Lets the socket take so many bytes.
    fn take(&mut self, mut room: usize) {
        let mut taken = Vec::new();
        let _ = self.outbox.poll_flush(&mut |bytes| {
            let count = room.min(bytes.len());
            taken.extend_from_slice(&bytes[..count]);
            room -= count;
            match count {
                0 => Poll::Pending,
                count => Poll::Ready(Ok(count)),
            }
        });
        let mut input = &mut taken[..];
        let limits = Limits {
            message: 1 << 20,
            fragments: 1,
        };
        while let Some(event) = self.decoder.next(&mut input, &limits, None).unwrap() {
            let Event::Message(Message::Text(text)) = event else {
                panic!("{event:?}");
            };
            let text = String::from_utf8(text.to_vec()).unwrap();
            self.read.extend(text.lines().map(str::to_owned));
        }
    }
}

fn log(is_newest: bool) -> Rc<Log> {
    Log::new(
        Wire::plain(Format::Json),
        false,
        None,
        Rc::default(),
        is_newest,
    )
}

fn press() -> Press {
    Press::new(1, 0)
}

/// A message that tells its number and key apart from others by its size too.
fn message(number: usize, key: u8) -> Encoded {
    Bytes::from(format!("{number}.{key}.{}", "x".repeat(number * 7 % 50)))
}

#[derive(Debug, Clone)]
enum Step {
    Append { count: usize, key: u8 },
    Take { reader: usize, room: usize },
    Own { reader: usize },
    Leave { reader: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1..20usize, 0..3u8).prop_map(|(count, key)| Step::Append { count, key }),
        4 => (0..3usize, 0..400usize).prop_map(|(reader, room)| Step::Take { reader, room }),
        1 => (0..3usize).prop_map(|reader| Step::Own { reader }),
        1 => (0..3usize).prop_map(|reader| Step::Leave { reader }),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #[test]
    fn everybody_is_written_everything_once_and_in_order(steps in steps()) {
        let (log, press) = (log(false), press());
        let mut readers: Vec<Reader> = (0..3).map(|_| Reader::of(&log, 1 << 20)).collect();
        let mut expected: Vec<Vec<String>> = vec![Vec::new(); 3];
        let mut is_there = [true; 3];
        let mut number = 0;
        for step in steps {
            match step {
                Step::Append { count, key } => {
                    let messages: Vec<_> = (0..count).map(|n| message(number + n, key)).collect();
                    number += count;
                    log.append(&messages, 16, &press, None);
                    for index in (0..3).filter(|index| is_there[*index]) {
                        expected[index].extend(messages.iter().map(|it| String::from_utf8(it.to_vec()).unwrap()));
                    }
                }
                Step::Take { reader, room } => readers[reader].take(room),
                Step::Own { reader } => {
                    readers[reader].outbox.push(&Bytes::from_static(b"own"), &press);
                }
                Step::Leave { reader } => {
                    if std::mem::take(&mut is_there[reader]) {
                        readers[reader].cursor.leave();
                    }
                }
            }
        }
        for (reader, expected) in readers.iter_mut().zip(expected) {
            reader.take(usize::MAX);
            reader.read.retain(|line| line != "own");
            prop_assert_eq!(&reader.read, &expected);
            prop_assert_eq!(reader.outbox.waiting(), 0);
        }
        prop_assert_eq!(log.behind.get(), 0);
        prop_assert_eq!(log.frames.borrow_mut().from(0).len(), 0, "frames are kept for nobody");
    }

    #[test]
    fn of_each_key_everybody_ends_with_the_newest_and_goes_back_never(steps in steps()) {
        let (log, press) = (log(true), press());
        let mut readers: Vec<Reader> = (0..3).map(|_| Reader::of(&log, 1 << 20)).collect();
        let mut newest = [None; 3];
        let mut number = 0;
        for step in steps {
            match step {
                Step::Append { key, .. } => {
                    log.put(&key.to_string(), &message(number, key), &press);
                    newest[usize::from(key)] = Some(number);
                    number += 1;
                }
                Step::Take { reader, room } => readers[reader].take(room),
                Step::Own { .. } | Step::Leave { .. } => {}
            }
        }
        for reader in &mut readers {
            reader.take(usize::MAX);
            let mut last = [None; 3];
            for line in &reader.read {
                let mut parts = line.split('.');
                let number: usize = parts.next().unwrap().parse().unwrap();
                let key: usize = parts.next().unwrap().parse().unwrap();
                prop_assert!(last[key] < Some(number), "{:?}", reader.read);
                last[key] = Some(number);
            }
            prop_assert_eq!(last, newest);
            prop_assert_eq!(reader.outbox.waiting(), 0);
        }
    }
}

#[test]
fn a_reader_that_lags_is_cut_off_alone_and_holds_nothing() {
    let (log, press) = (log(false), press());
    let (mut slow, mut quick) = (Reader::of(&log, 300), Reader::of(&log, 300));
    for number in 0..100 {
        log.append(&[message(number, 0)], 16, &press, None);
        quick.take(usize::MAX);
        if number == 1 {
            slow.take(5);
        }
    }
    assert_eq!(quick.read.len(), 100);
    assert!(slow.outbox.has_overflowed() && !quick.outbox.has_overflowed());
    assert_eq!(log.behind.get(), 0);
    let rest = slow.outbox.waiting();
    assert!(
        rest > 0,
        "the end of the frame that it has a part of is due"
    );
    slow.cursor.leave();
    slow.take(usize::MAX);
    assert_eq!(slow.read.len(), 1, "{:?}", slow.read);
}

#[test]
fn one_that_lags_behind_the_newest_is_not_cut_off() {
    let (log, press) = (log(true), press());
    let mut slow = Reader::of(&log, 300);
    for number in 0..1_000 {
        log.put("", &message(number, 0), &press);
    }
    assert!(!slow.outbox.has_overflowed());
    slow.take(usize::MAX);
    assert_eq!(slow.read.len(), 1);
    assert!(slow.read[0].starts_with("999."), "{:?}", slow.read);
}
