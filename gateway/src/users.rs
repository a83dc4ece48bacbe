//! The connections of a worker by their user, so that a backend finds them without asking all.
//!
//! A connection costs 16 bytes in a list that doubles, and a user 9 in a map that does: users are known by a hash of their
//! name, and those who share one stand in one chain. So what is found may be somebody else's: who is asked knows.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::rc::{Rc, Weak};

use slab::Slab;

use crate::outbox::Outbox;

/// No place in the list.
const NONE: u32 = u32::MAX;

/// Connections that have a user, the anonymous one among them.
#[derive(Default)]
pub(crate) struct Users(RefCell<Chains>);

#[derive(Default)]
struct Chains {
    /// The newest connection of each chain.
    first: HashMap<u32, u32>,
    links: Slab<Link>,
}

struct Link {
    outbox: Weak<Outbox>,
    next: u32,
    /// The one before it; for the first of a chain, the chain.
    previous: Previous,
}

#[derive(Clone, Copy)]
struct Previous(u32);

/// A place in the list; dropping it gives it up.
pub(crate) struct Seat {
    users: Rc<Users>,
    place: u32,
    is_of: u32,
}

impl Users {
    /// Lists a connection.
    pub(crate) fn seat(self: &Rc<Self>, user: &str, outbox: &Rc<Outbox>) -> Seat {
        let chain = hash(user);
        let mut chains = self.0.borrow_mut();
        let next = chains.first.get(&chain).copied().unwrap_or(NONE);
        let outbox = Rc::downgrade(outbox);
        let previous = Previous(NONE);
        let place = chains.links.insert(Link {
            outbox,
            next,
            previous,
        });
        let place = u32::try_from(place).expect("a process has fewer files than that");
        if let Some(link) = chains.links.get_mut(next as usize) {
            link.previous = Previous(place);
        }
        chains.first.insert(chain, place);
        Seat {
            users: Rc::clone(self),
            place,
            is_of: chain,
        }
    }

    /// Shows the connections of a user, and maybe some of others.
    pub(crate) fn each(&self, user: &str, show: impl Fn(&Rc<Outbox>)) {
        let chains = self.0.borrow();
        let mut place = chains.first.get(&hash(user)).copied().unwrap_or(NONE);
        while let Some(link) = chains.links.get(place as usize) {
            if let Some(outbox) = link.outbox.upgrade() {
                show(&outbox);
            }
            place = link.next;
        }
    }

    /// Shows every connection.
    pub(crate) fn each_of_all(&self, show: impl Fn(&Rc<Outbox>)) {
        for (_, link) in &self.0.borrow().links {
            if let Some(outbox) = link.outbox.upgrade() {
                show(&outbox);
            }
        }
    }

    /// Adds the users to those of other workers.
    pub(crate) fn add_to(&self, users: &mut HashSet<u32>) {
        users.extend(self.0.borrow().first.keys());
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut chains = self.users.0.borrow_mut();
        let Link { next, previous, .. } = chains.links.remove(self.place as usize);
        if let Some(link) = chains.links.get_mut(next as usize) {
            link.previous = previous;
        }
        match (chains.links.get_mut(previous.0 as usize), next) {
            (Some(link), next) => link.next = next,
            (None, NONE) => drop(chains.first.remove(&self.is_of)),
            (None, next) => drop(chains.first.insert(self.is_of, next)),
        }
    }
}

/// The same on every worker of a process: their users are counted together.
fn hash(user: &str) -> u32 {
    let hash = BuildHasherDefault::<DefaultHasher>::new().hash_one(user);
    (hash >> 32) as u32
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.0.borrow().first.len();
        f.debug_struct("Users")
            .field("users", &users)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tidegate_codec::Format;

    use super::*;
    use crate::wire::Wire;

    fn outbox() -> Rc<Outbox> {
        Rc::new(Outbox::new(Wire::plain(Format::Json), 100))
    }

    fn count(users: &Users, user: &str) -> usize {
        let count = Cell::new(0);
        users.each(user, |_| count.set(count.get() + 1));
        count.get()
    }

    #[test]
    fn a_user_has_the_connections_that_are_there_whichever_leaves_first() {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let (users, outbox) = (Rc::new(Users::default()), outbox());
            let mut seats: Vec<_> = (0..3).map(|_| Some(users.seat("a", &outbox))).collect();
            let other = users.seat("b", &outbox);
            for (gone, place) in order.into_iter().enumerate() {
                assert_eq!(
                    (count(&users, "a"), count(&users, "b")),
                    (3 - gone, 1),
                    "{order:?}"
                );
                seats[place] = None;
            }
            assert_eq!((count(&users, "a"), count(&users, "b")), (0, 1));
            let mut all = HashSet::new();
            users.add_to(&mut all);
            assert_eq!(all.len(), 1, "a user without connections is none");
            drop(other);
        }
    }
}
