//! `publish`: from the client to the backbone.

use tidegate_backbone::Publication;
use tidegate_codec::{DisconnectCode, ErrorCode, PublishRequest};

use super::{Action, Actions, Operation, Pending, Refusal, Session};
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
        let asker = Asker {
            user: &self.identity().user,
            subscribed: self.subscriptions.contains_key(&channel),
        };
        if !self.rules.may_publish(asker, rules) {
            return Err(ErrorCode::PermissionDenied.into());
        }
        let info = Some(self.client_info(&channel));
        let publication = Publication {
            data: request.data,
            info,
            ..Publication::default()
        };
        self.pending = Some(Pending::Publish(id));
        actions.push(Action::Perform(Operation::Publish {
            channel,
            publication,
        }));
        Ok(())
    }
}
