//! The parameters of one offer or response, as they are written.

use std::fmt;

use super::NAME;
use crate::deflate::extension::Extension;
use crate::deflate::window::WindowBits;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    pub(super) server_max_window_bits: Option<WindowBits>,
    /// Outer: whether it is there. Inner: its value, which an offer may leave out.
    pub(super) client_max_window_bits: Option<Option<WindowBits>>,
}

impl Parameters {
    /// `None` for parameters that are unknown, repeated or have a value that they cannot have.
    pub(super) fn read(extension: &Extension<'_>) -> Option<Self> {
        let mut parameters = Self::default();
        for (name, value) in &extension.parameters {
            let bits = match value {
                Some(value) => Some(read_bits(value)?),
                None => None,
            };
            let is_repeated = match *name {
                "server_no_context_takeover" if bits.is_none() => {
                    std::mem::replace(&mut parameters.server_no_context_takeover, true)
                }
                "client_no_context_takeover" if bits.is_none() => {
                    std::mem::replace(&mut parameters.client_no_context_takeover, true)
                }
                "server_max_window_bits" => {
                    parameters.server_max_window_bits.replace(bits?).is_some()
                }
                "client_max_window_bits" => {
                    parameters.client_max_window_bits.replace(bits).is_some()
                }
                _ => return None,
            };
            if is_repeated {
                return None;
            }
        }
        Some(parameters)
    }
}

/// A decimal number from 8 to 15 without leading zeros (section 7.1.2).
fn read_bits(value: &str) -> Option<WindowBits> {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    WindowBits::new(value.parse().ok().filter(|_| is_plain)?)
}

impl fmt::Display for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(NAME)?;
        for (name, is_there) in [
            (
                "server_no_context_takeover",
                self.server_no_context_takeover,
            ),
            (
                "client_no_context_takeover",
                self.client_no_context_takeover,
            ),
        ] {
            if is_there {
                write!(formatter, "; {name}")?;
            }
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(formatter, "; server_max_window_bits={}", bits.get())?;
        }
        match self.client_max_window_bits {
            Some(Some(bits)) => write!(formatter, "; client_max_window_bits={}", bits.get())?,
            Some(None) => formatter.write_str("; client_max_window_bits")?,
            None => {}
        }
        Ok(())
    }
}
