//! What the application's backend is told: of subscriptions and connections that have ended.

use tidegate_backbone::Channel;
use tidegate_codec::Disconnect;

use super::{Action, Actions, Session, State};
use crate::hooks::{Question, Subject, TargetId};

/// The code of an unsubscribe that comes with the end of the connection; one that the client asked for has 0.
const DISCONNECTED: u32 = 1;

impl Session {
    /// Tells the backend that a subscription has ended, where it is to be told.
    pub(super) fn tell_of_unsubscribe(
        &self,
        channel: &Channel,
        code: u32,
        reason: &str,
        actions: &mut Actions,
    ) {
        let rules = self.rules.channel(channel.as_str()).ok();
        if let Some(target) = rules.and_then(|(_, rules)| rules.hooks.unsubscribe) {
            let subject = Subject::Unsubscribe {
                channel: channel.as_str().to_owned(),
                code,
                reason: reason.to_owned(),
            };
            self.tell(target, subject, actions);
        }
    }

    /// Tells the backend that a connection that was open, and its subscriptions, have ended.
    pub(super) fn tell_of_the_end(&self, why: &Disconnect, actions: &mut Actions) {
        if !matches!(self.state, State::Open(_)) {
            return;
        }
        for channel in self.subscriptions.channels() {
            self.tell_of_unsubscribe(channel, DISCONNECTED, "disconnected", actions);
        }
        if let Some(target) = self.rules.hooks.disconnect {
            let subject = Subject::Disconnect {
                code: why.code.into(),
                reason: why.reason.to_string(),
            };
            self.tell(target, subject, actions);
        }
    }

    fn tell(&self, target: TargetId, subject: Subject, actions: &mut Actions) {
        actions.push(Action::Tell(Box::new(Question {
            target,
            caller: self.caller(),
            subject,
        })));
    }
}
