//! Page tokens: where a page goes on, bound to the question that it is a page of.
//!
//! A token says nothing that its holder may not know, so it is not secret; the digest in it keeps one from being used with
//! another question, at whichever replica.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use prost::Message;
use tidegate_backbone::Epoch;
use tidegate_proto::history::{ChannelsRequest, ReadRequest};
use tonic::Status;

/// Bytes of the digest that a token has.
const DIGEST_BYTES: usize = 16;

/// What a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding([u8; DIGEST_BYTES]);

impl Binding {
    /// All of the question but which page of which size.
    pub(super) fn of_read(request: &ReadRequest) -> Self {
        let question = ReadRequest {
            limit: 0,
            page_token: String::new(),
            ..request.clone()
        };
        Self::of(b"read", &question)
    }

    pub(super) fn of_channels(request: &ChannelsRequest) -> Self {
        let question = ChannelsRequest {
            limit: 0,
            page_token: String::new(),
            ..request.clone()
        };
        Self::of(b"channels", &question)
    }

    fn of(method: &[u8], question: &impl Message) -> Self {
        let whole = [method, &question.encode_to_vec()].concat();
        let digest = digest(&SHA256, &whole);
        let first = digest.as_ref().first_chunk();
        Self(*first.expect("a SHA-256 digest has 32 bytes"))
    }

    /// The token of the page that begins at this offset.
    pub(super) fn token_of_offset(&self, epoch: &Epoch, offset: u64) -> String {
        let rest = [&offset.to_be_bytes(), epoch.as_bytes()].concat();
        self.token(&rest)
    }

    /// Where the page begins; `None` for the first.
    pub(super) fn offset(&self, token: &str) -> Result<Option<(Epoch, u64)>, Status> {
        let Some(rest) = self.rest(token)? else {
            return Ok(None);
        };
        let (offset, epoch) = rest.split_first_chunk().ok_or_else(strange)?;
        let epoch = std::str::from_utf8(epoch).map_err(|_| strange())?;
        Ok(Some((epoch.into(), u64::from_be_bytes(*offset))))
    }

    /// The token of the page behind this channel.
    pub(super) fn token_of_channel(&self, channel: &str) -> String {
        self.token(channel.as_bytes())
    }

    /// The channel that the page is behind; empty for the first.
    pub(super) fn channel(&self, token: &str) -> Result<String, Status> {
        let rest = self.rest(token)?.unwrap_or_default();
        String::from_utf8(rest).map_err(|_| strange())
    }

    fn token(&self, rest: &[u8]) -> String {
        BASE64.encode([&self.0, rest].concat())
    }

    fn rest(&self, token: &str) -> Result<Option<Vec<u8>>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let bytes = BASE64.decode(token).map_err(|_| strange())?;
        let (digest, rest) = bytes.split_first_chunk().ok_or_else(strange)?;
        match *digest == self.0 {
            true => Ok(Some(rest.to_vec())),
            false => Err(Status::invalid_argument(
                "page_token belongs to another question",
            )),
        }
    }
}

fn strange() -> Status {
    Status::invalid_argument("page_token is none of this service's")
}
