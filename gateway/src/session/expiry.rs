//! What has expired, where a backend may say that it goes on.

use tidegate_codec::{DisconnectCode, UnsubscribeCode};

use super::{Actions, Moment, Session, State, Subscription};

impl Session {
    /// The connection has expired: over, unless the backend says otherwise.
    pub(super) fn expire(&mut self, actions: &mut Actions) {
        let target = self.rules.hooks.refresh;
        match (&mut self.state, target) {
            (State::Open(identity), Some(target)) => {
                identity.deadline = None;
                self.ask_refresh(target, actions);
            }
            _ => self.close(DisconnectCode::ConnectionExpired, actions),
        }
    }

    /// Asks about subscriptions that have expired, where there is somebody to ask.
    fn ask_about_expired(&mut self, now: Moment, actions: &mut Actions) {
        let mut due = Vec::new();
        for (channel, subscription) in self.subscriptions.iter_mut() {
            let rules = self.rules.channel(channel.as_str());
            let target = rules.ok().and_then(|(_, rules)| rules.hooks.sub_refresh);
            if let Some(target) = target.filter(|_| subscription.is_expired(now)) {
                subscription.deadline = None;
                due.push((target, channel.clone()));
            }
        }
        for (target, channel) in due {
            self.ask_sub_refresh(target, channel, actions);
        }
    }

    /// Ends subscriptions that have expired, as far as nobody is asked about them.
    pub(super) fn end_expired_subscriptions(&mut self, now: Moment, actions: &mut Actions) {
        if self.subscriptions.values().any(|it| it.is_expired(now)) {
            self.ask_about_expired(now, actions);
        }
        let expired = |subscription: &Subscription| subscription.is_expired(now);
        if self
            .subscriptions
            .values()
            .any(|subscription| subscription.server_side && expired(subscription))
        {
            return self.close(DisconnectCode::SubscriptionExpired, actions);
        }
        let ended: Vec<_> = self.subscriptions.extract_if(expired).collect();
        for (channel, _) in ended {
            self.end_subscription(channel, UnsubscribeCode::Expired, actions);
        }
    }
}
