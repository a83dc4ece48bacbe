//! Notices as messages: what becomes of a connection goes to a service of our own, what becomes of a channel to Centrifugo's.

use tidegate_proto::hook::{Ended, TellRequest, tell_request};
use tidegate_proto::proxy::{ChannelEvent, NotifyChannelStateRequest};

use super::Grpc;
use crate::hooks::answer::Unanswered;
use crate::hooks::notices::{Notice, Stamp};
use crate::hooks::question::{Subject, Transition};

impl Grpc {
    /// Gives a notice.
    pub(in crate::hooks) async fn tell(
        &self,
        notice: &Notice,
        headers: &[(&str, &str)],
    ) -> Result<(), Unanswered> {
        let ended = |code: u32, reason: &str, channel: &str| Ended {
            code,
            reason: reason.to_owned(),
            channel: channel.to_owned(),
        };
        let event = match &notice.question.subject {
            Subject::Disconnect { code, reason } => {
                tell_request::Event::Disconnect(ended(*code, reason, ""))
            }
            Subject::Unsubscribe {
                channel,
                code,
                reason,
            } => tell_request::Event::Unsubscribe(ended(*code, reason, channel)),
            Subject::State(transition) => {
                return self.tell_state(transition, &notice.stamp, headers).await;
            }
            _ => return Ok(()),
        };
        let (caller, stamp, via) = (&notice.question.caller, &notice.stamp, notice.via());
        let request = TellRequest {
            id: stamp.id.clone(),
            time_ms: stamp.time_ms,
            client: caller.client.clone(),
            transport: via.transport.to_owned(),
            protocol: via.protocol().to_owned(),
            user: caller.user.clone(),
            meta: self.style.meta(&caller.meta),
            event: Some(event),
        };
        let request = self.request(request, headers);
        let told = self.notices.clone().tell(request).await;
        told.map(drop).map_err(|status| self.refused(&status))
    }

    async fn tell_state(
        &self,
        transition: &Transition,
        stamp: &Stamp,
        headers: &[(&str, &str)],
    ) -> Result<(), Unanswered> {
        let event = ChannelEvent {
            time_ms: i64::try_from(stamp.time_ms).unwrap_or(i64::MAX),
            channel: transition.channel.clone(),
            r#type: transition.state.name().to_owned(),
            number: transition.number,
        };
        let request = NotifyChannelStateRequest {
            events: vec![event],
            id: stamp.id.clone(),
        };
        let request = self.request(request, headers);
        let told = self.proxy.clone().notify_channel_state(request).await;
        told.map(drop).map_err(|status| self.refused(&status))
    }
}
