//! The objects that replies and pushes share: publications, client information and their lists.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::line::{Payload, is_zero};
use crate::{ClientInfo, Publication, SharedPublication};

/// A publication; all fields are left out when zero.
#[derive(Serialize)]
pub(super) struct PublicationBody<'a> {
    #[serde(skip_serializing_if = "is_zero")]
    data: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<ClientInfoBody<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_zero")]
    delta: bool,
    #[serde(skip_serializing_if = "is_zero")]
    time: i64,
    #[serde(skip_serializing_if = "is_zero")]
    channel: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    epoch: &'a str,
}

impl<'a> From<&'a Publication> for PublicationBody<'a> {
    fn from(publication: &'a Publication) -> Self {
        Self {
            data: (&publication.data).into(),
            info: publication.info.as_ref().map(Into::into),
            offset: publication.offset,
            tags: &publication.tags,
            delta: publication.delta,
            time: publication.time,
            channel: &publication.channel,
            epoch: &publication.epoch,
        }
    }
}

/// Client information; SDKs rely on `user` and `client` even when empty.
#[derive(Serialize)]
pub(super) struct ClientInfoBody<'a> {
    user: &'a str,
    client: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    conn_info: Payload<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    chan_info: Payload<'a>,
}

impl<'a> From<&'a ClientInfo> for ClientInfoBody<'a> {
    fn from(info: &'a ClientInfo) -> Self {
        Self {
            user: &info.user,
            client: &info.client,
            conn_info: (&info.conn_info).into(),
            chan_info: (&info.chan_info).into(),
        }
    }
}

/// A list of publications.
#[derive(Default, PartialEq)]
pub(super) struct Publications<'a>(pub(super) &'a [Publication]);

impl Serialize for Publications<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(PublicationBody::from))
    }
}

/// A list of publications of which what is written may be there.
#[derive(Default, PartialEq)]
pub(super) struct SharedPublications<'a>(pub(super) &'a [SharedPublication]);

impl Serialize for SharedPublications<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(SharedBody))
    }
}

struct SharedBody<'a>(&'a SharedPublication);

impl Serialize for SharedBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.json() {
            Some(json) => json.serialize(serializer),
            None => PublicationBody::from(self.0.publication()).serialize(serializer),
        }
    }
}

/// Connections by client id.
pub(super) struct Clients<'a>(pub(super) &'a BTreeMap<String, ClientInfo>);

impl Serialize for Clients<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            self.0
                .iter()
                .map(|(id, info)| (id, ClientInfoBody::from(info))),
        )
    }
}
