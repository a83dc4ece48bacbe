//! `publish`: from the client to the backbone.

use tidegate_backbone::{Error, Position, Publication};
use tidegate_codec::{DisconnectCode, ErrorCode, PublishRequest, Reply, Success};

use super::{Action, Actions, Refusal, Session};
use crate::rules::Asker;

impl Session {
    pub(super) fn publish(
        &mut self,
        id: u32,
        request: PublishRequest,
        actions: &mut Actions,
    ) -> Result<(), Refusal> {
        if request.channel.is_empty() {
            return Err(DisconnectCode::BadRequest.into());
        }
        let (channel, rules) = self.rules.channel(&request.channel)?;
        if !rules.accepts_name(&channel) || request.data.is_empty() {
            return Err(ErrorCode::BadRequest.into());
        }
        if request.kind != 0 {
            return Err(ErrorCode::NotAvailable.into());
        }
        let target = rules.hooks.publish;
        let asker = Asker {
            user: &self.identity().user,
            subscribed: self.subscriptions.contains(channel.as_str()),
        };
        if target.is_none() && !self.rules.may_publish(asker, rules) {
            return Err(ErrorCode::PermissionDenied.into());
        }
        let info = Some(self.client_info(&channel));
        let publication = Publication {
            data: request.data,
            info,
            ..Publication::default()
        };
        match target {
            Some(target) => self.ask_publish(target, id, channel, publication, actions),
            None => actions.push(Action::Publish {
                id,
                channel,
                publication,
            }),
        }
        Ok(())
    }

    /// Takes the fate of a publication that [`Action::Publish`] asked for. A session that has ended since still replies:
    /// the client should know what became of it.
    pub fn published(
        &mut self,
        id: u32,
        result: &Result<Option<Position>, Error>,
        actions: &mut Actions,
    ) {
        let outcome = match result {
            Ok(_) => Ok(Success::Publish),
            Err(Error::Unavailable(_)) => Err(ErrorCode::Internal.into()),
            Err(Error::NotKept(_)) => Err(ErrorCode::NotAvailable.into()),
            Err(Error::TooLarge { .. }) => Err(ErrorCode::BadRequest.into()),
        };
        actions.push(Action::Reply(Reply { id, outcome }));
    }
}
