//! Page tokens: behind which client a page goes on, bound to the channel that it is a page of.
//!
//! A token says nothing that its holder may not know, so it is not secret; the digest in it keeps one from being used with
//! another channel, at whichever replica.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use tonic::Status;

/// Bytes of the digest that a token has.
const DIGEST_BYTES: usize = 16;

/// Bytes of a client.
const CLIENT_BYTES: usize = 16;

/// The token of the page behind a client.
pub(super) fn write(channel: &str, client: &[u8]) -> String {
    BASE64.encode([&*binding(channel), client].concat())
}

/// The token of the first page.
pub(super) fn write_first(channel: &str) -> String {
    // Below every client's id.
    write(channel, &[0; CLIENT_BYTES])
}

/// The client that the page is behind; empty for the first.
pub(super) fn read(channel: &str, token: &str) -> Result<Bytes, Status> {
    if token.is_empty() {
        return Ok(Bytes::new());
    }
    let strange = || Status::invalid_argument("page_token is none of this service's");
    let bytes = BASE64.decode(token).map_err(|_| strange())?;
    if bytes.len() != DIGEST_BYTES + CLIENT_BYTES {
        return Err(strange());
    }
    let (bound, client) = bytes.split_at(DIGEST_BYTES);
    match *bound == *binding(channel) {
        true => Ok(Bytes::copy_from_slice(client)),
        false => Err(Status::invalid_argument(
            "page_token belongs to another channel",
        )),
    }
}

fn binding(channel: &str) -> Vec<u8> {
    let digest = digest(&SHA256, &[b"members ", channel.as_bytes()].concat());
    digest.as_ref()[..DIGEST_BYTES].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_channel() {
        let token = write("chat:a", &[7; 16]);
        assert_eq!(read("chat:a", &token).unwrap(), [7; 16].as_slice());
        assert_eq!(read("chat:a", "").unwrap(), Bytes::new());
        for (channel, token) in [
            ("chat:b", token.as_str()),
            ("chat:a", "x"),
            ("chat:a", "AAAA"),
        ] {
            let status = read(channel, token).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(status.message().contains("page_token"));
        }
    }
}
