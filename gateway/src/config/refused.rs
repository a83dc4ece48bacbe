//! `client.connect_code_to_unidirectional_disconnect`: how a connection ends whose client cannot be replied to that its
//! connect was refused.

use super::schema::{Described, Kind, options};

options! {
    /// Ends of one-way connections whose connect was refused.
    pub struct RefusedConfig {
        /// Whether `transforms` count.
        pub enabled: bool,
        /// What an error means, each with `code`, and `to` with `code` and `reason`. Where none fits: 109 and 110 are 3005, 111
        /// is 3013, 103 is 3507, and another one is 3004.
        pub transforms: Vec<RefusedTransform>,
    }
}

options! {
    /// What one error means.
    pub struct RefusedTransform {
        /// The error's code.
        pub code: u32,
        /// The end of the connection that it means.
        pub to: RefusedEnd,
    }
}

options! {
    /// The end of a connection.
    pub struct RefusedEnd {
        /// Its code, from 3000 to 4999. Clients come back by themselves, but for 3500 to 3999 and 4500 to 4999.
        pub code: u32,
        /// Its reason, of at most 123 bytes.
        pub reason: String,
    }
}

impl RefusedConfig {
    /// What an error means.
    #[must_use]
    pub fn end_of(&self, error: u32) -> Option<&RefusedEnd> {
        let mut transforms = self.transforms.iter().filter(|_| self.enabled);
        let found = transforms.find(|transform| transform.code == error);
        found.map(|transform| &transform.to)
    }
}

impl Described for Vec<RefusedTransform> {
    fn kind() -> Kind {
        match RefusedTransform::kind() {
            Kind::Section(fields) => Kind::Namespaces(fields),
            other => other,
        }
    }
}
