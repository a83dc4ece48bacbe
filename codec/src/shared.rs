//! A publication that many replies give: what is written of it is made once.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::{EncodeError, Format, Publication, json};

/// A publication of which replies in one format hold a ready-made part. In others it is written like any other.
#[derive(Debug, Clone)]
pub struct SharedPublication(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    publication: Publication,
    json: Option<Box<RawValue>>,
}

impl SharedPublication {
    /// Makes what replies in a format hold of a publication.
    ///
    /// # Errors
    /// [`EncodeError::NotJson`] when clients of the format cannot be given it.
    pub fn new(publication: Publication, format: Format) -> Result<Self, EncodeError> {
        let json = match format {
            Format::Json => Some(json::encode_publication(&publication)?),
            Format::Protobuf => None,
        };
        Ok(Self(Arc::new(Shared { publication, json })))
    }

    /// The publication itself.
    #[must_use]
    pub fn publication(&self) -> &Publication {
        &self.0.publication
    }

    /// Bytes that it takes, but for the payload and texts that it has of the publication it was made of.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Shared>() + self.json().map_or(0, |json| json.get().len())
    }

    pub(crate) fn json(&self) -> Option<&RawValue> {
        self.0.json.as_deref()
    }
}

impl From<Publication> for SharedPublication {
    fn from(publication: Publication) -> Self {
        let json = None;
        Self(Arc::new(Shared { publication, json }))
    }
}

impl PartialEq for SharedPublication {
    fn eq(&self, other: &Self) -> bool {
        self.publication() == other.publication()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Reply, SubscribeResult, Success};

    use super::*;

    fn publication(data: &'static str) -> Publication {
        Publication {
            data: data.into(),
            offset: 7,
            ..Publication::default()
        }
    }

    fn reply(publications: Vec<SharedPublication>) -> Reply {
        let result = SubscribeResult {
            publications,
            ..SubscribeResult::default()
        };
        let outcome = Ok(Success::Subscribe(Box::new(result)));
        Reply { id: 1, outcome }
    }

    #[test]
    fn what_was_made_before_is_what_would_be_written() {
        for format in [Format::Json, Format::Protobuf] {
            for data in ["1", "{\"a\": [\r\n2\n]}", "\"\\n\""] {
                let ready = SharedPublication::new(publication(data), format).unwrap();
                let plain = SharedPublication::from(publication(data));
                let ready = format.encode_reply(&reply(vec![ready.clone(), ready]));
                let plain = format.encode_reply(&reply(vec![plain.clone(), plain]));
                assert_eq!(ready.unwrap(), plain.unwrap(), "{data}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_for_others_alone() {
        let shared = |format| SharedPublication::new(publication("{"), format);
        assert_eq!(shared(Format::Json), Err(EncodeError::NotJson));
        let shared = shared(Format::Protobuf).unwrap();
        assert!(Format::Json.encode_reply(&reply(vec![shared])).is_err());
    }
}
