//! Publications with a version: stored only behind what was found to be the channel's newest, so that what others store
//! meanwhile is compared, too.

use std::sync::Arc;

use tokio::time::Instant;

use super::publishing::{Failed, send};
use super::reading::{offset, read};
use super::{ApiError, KeptStream, PATIENCE};
use crate::nats::node::Node;
use crate::{Channel, Error, From, Position, Publication, Range, Top, VERSION_SEARCH, Version};

/// Attempts to store one; each means that something else was stored in the channel meanwhile.
const ATTEMPTS: usize = 64;

/// Publications of the first look: where any has a version, the newest nearly always has.
const FIRST_LOOK: usize = 1;

/// Bytes of payloads that are read at a time.
const LOOK_BYTES: usize = 4 * 1024 * 1024;

/// JetStream's codes for a subject whose newest message is another one than expected, and for an id that is being stored.
const UNEXPECTED: [u64; 3] = [10_071, 10_164, 10_158];

/// Stores a publication, if the channel has a use for its version; gives its position, or the channel's newest.
pub(super) async fn publish(
    node: &Arc<Node>,
    stream: &KeptStream,
    channel: &Channel,
    publication: Publication,
    version: &Version,
) -> Result<Option<Position>, Error> {
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..ATTEMPTS {
        let (top, newest) = newest(node, channel).await?;
        if newest.is_some_and(|kept| version.is_superseded_by(&kept)) {
            return Ok(Some(top.position));
        }
        let expected = match top.is_empty {
            true => 0,
            false => top.position.offset,
        };
        let publication = publication.clone();
        let sent = send(node, stream, channel, publication, Some(expected), deadline).await?;
        match sent.await {
            Err(Failed::Refused(ApiError { code, .. })) if UNEXPECTED.contains(&code) => {}
            stored => return Ok(stored?),
        }
    }
    let reason = format!("something else was stored in {channel} at each of {ATTEMPTS} attempts");
    Err(Error::Unavailable(reason))
}

/// The newest place of a channel, and the newest version that it keeps.
async fn newest(node: &Arc<Node>, channel: &Channel) -> Result<(Top, Option<Version>), Error> {
    let (mut before, mut looked, mut newest) = (u64::MAX, 0, None);
    loop {
        let limit = match looked {
            0 => FIRST_LOOK,
            looked => VERSION_SEARCH - looked,
        };
        let range = Range {
            from: From::Before(before),
            limit,
            max_bytes: LOOK_BYTES,
        };
        let page = read(node, channel, range).await?;
        let top = newest.get_or_insert(page.top).clone();
        looked += page.publications.len();
        before = page.publications.last().map_or(before, offset);
        let version = page.publications.into_iter().find_map(|it| it.version);
        if version.is_some() || !page.has_more || looked >= VERSION_SEARCH {
            return Ok((top, version));
        }
    }
}
