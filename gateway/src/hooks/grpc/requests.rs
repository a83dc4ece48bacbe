//! Questions as messages.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tidegate_proto::proxy as wire;

use crate::hooks::json::Style;
use crate::hooks::question::{Question, Via};

/// A question on its way into a message.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) question: &'a Question,
    pub(super) via: Via<'a>,
    pub(super) style: Style,
}

/// The fields that every request has.
macro_rules! request {
    ($call:ident, $name:ident { $($field:ident: $value:expr),* $(,)? }) => {
        wire::$name {
            client: $call.question.caller.client.clone(),
            transport: $call.via.transport.to_owned(),
            protocol: $call.via.protocol().to_owned(),
            encoding: $call.encoding(),
            $($field: $value,)*
        }
    };
}

impl Call<'_> {
    fn encoding(self) -> String {
        let encoding = if self.style.is_binary {
            "binary"
        } else {
            "json"
        };
        encoding.to_owned()
    }

    fn user(self) -> String {
        self.question.caller.user.clone()
    }

    fn meta(self) -> Bytes {
        self.style.meta(&self.question.caller.meta)
    }

    fn data(self) -> Bytes {
        match self.style.is_binary {
            true => Bytes::new(),
            false => self.question.subject.data().clone(),
        }
    }

    fn b64data(self) -> String {
        match self.style.is_binary {
            true => STANDARD.encode(self.question.subject.data()),
            false => String::new(),
        }
    }

    pub(super) fn connect(
        self,
        name: &str,
        version: &str,
        channels: &[String],
    ) -> wire::ConnectRequest {
        request!(
            self,
            ConnectRequest {
                data: self.data(),
                b64data: self.b64data(),
                name: name.to_owned(),
                version: version.to_owned(),
                channels: channels.to_owned(),
            }
        )
    }

    pub(super) fn refresh(self) -> wire::RefreshRequest {
        request!(
            self,
            RefreshRequest {
                user: self.user(),
                meta: self.meta()
            }
        )
    }

    pub(super) fn subscribe(self, channel: &str) -> wire::SubscribeRequest {
        request!(
            self,
            SubscribeRequest {
                user: self.user(),
                channel: channel.to_owned(),
                meta: self.meta(),
                data: self.data(),
                b64data: self.b64data(),
            }
        )
    }

    pub(super) fn sub_refresh(self, channel: &str) -> wire::SubRefreshRequest {
        request!(
            self,
            SubRefreshRequest {
                user: self.user(),
                channel: channel.to_owned(),
                meta: self.meta(),
            }
        )
    }

    pub(super) fn publish(self, channel: &str) -> wire::PublishRequest {
        request!(
            self,
            PublishRequest {
                user: self.user(),
                channel: channel.to_owned(),
                data: self.data(),
                b64data: self.b64data(),
                meta: self.meta(),
            }
        )
    }

    pub(super) fn rpc(self, method: &str) -> wire::RpcRequest {
        request!(
            self,
            RpcRequest {
                user: self.user(),
                method: method.to_owned(),
                data: self.data(),
                b64data: self.b64data(),
                meta: self.meta(),
            }
        )
    }
}
