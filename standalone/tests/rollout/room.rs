//! A channel, and the balancer through which it can be had.

use std::rc::Rc;

use super::balancer::Balancer;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) number: u32,
    pub(crate) name: String,
    balancer: Rc<Balancer>,
}

impl Room {
    pub(crate) fn new(number: u32, balancer: &Rc<Balancer>) -> Self {
        Self {
            number,
            name: format!("kept:room-{number}"),
            balancer: Rc::clone(balancer),
        }
    }

    /// The gateway that the balancer chooses, whatever the client was at before.
    pub(crate) fn gateway(&self, _turn: usize) -> Rc<str> {
        self.balancer.choose()
    }
}
