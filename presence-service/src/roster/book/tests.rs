use bytes::Bytes;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::message::{Client, Connection, Membership};

fn client(number: u8) -> Client {
    Client([number; 16])
}

fn membership(channel: u8, number: u8) -> Membership {
    Membership {
        channel: format!("channel-{channel}"),
        client: client(number),
        user: format!("user-{}", number % 3),
        conn_info: Bytes::from(vec![number]),
        chan_info: Bytes::from(vec![channel; usize::from(channel % 2)]),
        since: u64::from(channel),
    }
}

fn connection(number: u8) -> Connection {
    Connection {
        client: client(number),
        user: format!("user-{}", number % 3),
        since: 7,
        transport: "websocket".to_owned(),
        name: "js".to_owned(),
        app_version: "1".to_owned(),
    }
}

#[derive(Debug, Clone)]
enum Act {
    Join(u32, u8, u8),
    Leave(u32, u8, u8),
    Connect(u32, u8),
    Disconnect(u32, u8),
}

fn act() -> impl Strategy<Value = Act> {
    let (run, channel, number) = (0..2_u32, 0..5_u8, 0..12_u8);
    prop_oneof![
        3 => (run.clone(), channel.clone(), number.clone()).prop_map(|(r, c, n)| Act::Join(r, c, n)),
        2 => (run.clone(), channel, number.clone()).prop_map(|(r, c, n)| Act::Leave(r, c, n)),
        1 => (run.clone(), number.clone()).prop_map(|(r, n)| Act::Connect(r, n)),
        1 => (run, number).prop_map(|(r, n)| Act::Disconnect(r, n)),
    ]
}

#[derive(Default)]
struct Truth {
    members: BTreeSet<(u32, u8, u8)>,
    sessions: BTreeSet<(u32, u8)>,
}

impl Truth {
    fn check(&self, book: &Book) {
        assert_eq!(book.memberships(), self.members.len());
        assert_eq!(book.sessions(), self.sessions.len());
        for channel in 0..5 {
            let there = self.members.iter().filter(|it| it.1 == channel);
            let users: BTreeSet<u8> = there.clone().map(|it| it.2 % 3).collect();
            let counts = book.counts(&format!("channel-{channel}"));
            assert_eq!(counts.clients as usize, there.clone().count());
            assert_eq!(counts.users as usize, users.len());
            let mut expected: Vec<_> = there.map(|it| membership(channel, it.2)).collect();
            expected.sort_by_key(|it| it.client);
            assert_eq!(
                book.page(&format!("channel-{channel}"), None, 100),
                expected
            );
        }
        for user in 0..3 {
            let sessions = self.sessions.iter().filter(|it| it.1 % 3 == user).count();
            assert_eq!(
                book.session_count(&format!("user-{user}")) as usize,
                sessions
            );
            assert_eq!(
                book.connections(&format!("user-{user}"), 100).len(),
                sessions
            );
            self.check_channels(book, user);
        }
        assert_eq!(book.connections.len(), self.connections());
    }

    fn check_channels(&self, book: &Book, user: u8) {
        let mut expected = BTreeMap::new();
        for (_, channel, _) in self.members.iter().filter(|it| it.2 % 3 == user) {
            let entry = expected.entry(format!("channel-{channel}"));
            entry.or_insert((0, u64::from(*channel))).0 += 1;
        }
        let name = format!("user-{user}");
        let mut found = BTreeMap::new();
        (0..4).for_each(|partition| found.extend(book.channels_of_user(&name, partition)));
        assert_eq!(found, expected);
    }

    fn connections(&self) -> usize {
        let members = self.members.iter().map(|it| (it.0, it.2));
        members
            .chain(self.sessions.iter().copied())
            .collect::<BTreeSet<_>>()
            .len()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_book_says_who_is_there(acts in prop::collection::vec(act(), 0..120)) {
        let (mut book, mut truth) = (Book::new(4, 1_000), Truth::default());
        for act in acts {
            match act {
                Act::Join(run, channel, number) => {
                    let is_new = truth.members.insert((run, channel, number));
                    let done = book.join(run, &membership(channel, number));
                    assert_eq!(done, if is_new { Done::Changed } else { Done::Same });
                }
                Act::Leave(run, channel, number) => {
                    let was_there = truth.members.remove(&(run, channel, number));
                    let done = book.leave(run, &format!("channel-{channel}"), client(number));
                    assert_eq!(done, if was_there { Done::Changed } else { Done::Same });
                }
                Act::Connect(run, number) => {
                    truth.sessions.insert((run, number));
                    book.connect(run, &connection(number));
                }
                Act::Disconnect(run, number) => {
                    truth.sessions.remove(&(run, number));
                    if let Some(at) = book.session_of(run, client(number)) {
                        book.disconnect(at);
                    }
                }
            }
        }
        truth.check(&book);
        for run in 0..2 {
            for partition in 0..4 {
                book.members_of_run(run, partition).into_iter().for_each(|at| book.remove_member(at));
                book.sessions_of_run(run, partition).into_iter().for_each(|at| { book.disconnect(at); });
            }
        }
        Truth::default().check(&book);
        prop_assert!(book.channels.is_empty() && book.users.is_empty() && book.user_counts.is_empty());
    }
}

#[test]
fn pages_follow_one_another_without_a_hole() {
    let mut book = Book::new(4, 1_000);
    for number in (0..100).rev() {
        book.join(0, &membership(0, number));
    }
    let (mut clients, mut after) = (Vec::new(), None);
    loop {
        let page = book.page("channel-0", after, 7);
        let Some(last) = page.last() else { break };
        after = Some(last.client);
        clients.extend(page.iter().map(|it| it.client));
    }
    assert_eq!(clients, (0..100).map(client).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_changes_nothing() {
    let mut book = Book::new(4, 2);
    assert_eq!(book.join(0, &membership(0, 1)), Done::Changed);
    let other = Membership {
        user: "somebody else".to_owned(),
        ..membership(1, 1)
    };
    assert_eq!(book.join(0, &other), Done::OtherUser);
    assert_eq!(book.join(0, &membership(1, 1)), Done::Changed);
    assert_eq!(book.join(0, &membership(2, 1)), Done::Full);
    assert_eq!(book.memberships(), 2);
    assert_eq!(book.users.len(), 1);
}
