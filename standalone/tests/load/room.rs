//! A channel, and the gateways through which it can be had.

use std::rc::Rc;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub(crate) number: u32,
    pub(crate) name: String,
    gateways: Rc<[String]>,
}

impl Room {
    pub(crate) fn new(number: u32, gateways: &Rc<[String]>) -> Self {
        Self {
            number,
            name: format!("kept:room-{number}"),
            gateways: Rc::clone(gateways),
        }
    }

    /// The gateway whose turn it is.
    pub(crate) fn gateway(&self, turn: usize) -> Rc<str> {
        self.gateways[turn % self.gateways.len()].as_str().into()
    }
}
