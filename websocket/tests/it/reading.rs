//! What the codec makes of bytes that come in pieces.

use tidegate_websocket::{Decoder, Event, Inflater, Limits, Violation};

/// Everything that was read, until the peer closed or broke a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) events: Vec<Event>,
    pub(crate) violation: Option<Violation>,
}

/// Reads `bytes`, cut into pieces whose sizes come from `sizes`, over and over.
pub(crate) fn read(
    decoder: &mut Decoder,
    bytes: &[u8],
    sizes: &[usize],
    limits: &Limits,
    mut inflater: Option<&mut Inflater>,
) -> Reading {
    let mut reading = Reading {
        events: Vec::new(),
        violation: None,
    };
    let mut bytes = bytes.to_vec();
    let mut rest = bytes.as_mut_slice();
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| (*size).min(rest.len()));
        let (mut piece, after) = rest.split_at_mut(size);
        rest = after;
        loop {
            match decoder.next(&mut piece, limits, inflater.as_deref_mut()) {
                Ok(Some(event)) => reading.events.push(event),
                Ok(None) => break,
                Err(violation) => {
                    reading.violation = Some(violation);
                    return reading;
                }
            }
            if matches!(reading.events.last(), Some(Event::Close(_))) {
                return reading;
            }
        }
        assert!(piece.is_empty(), "the input is not used up");
    }
    reading
}
