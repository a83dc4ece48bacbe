//! One gateway with the embedded backbone.

use super::scenario::scenarios;

scenarios! { both on Embedded, crate::scenario::play:
    anonymous_refused
    bad_token
    unauthorized
    expired_token
    refresh
    refresh_refused
    errors
    private_channel
    private_channel_of_others
    subscription_refresh
    subscription_refresh_refused
    server_side
    publish
    order
    many_subscriptions
    subscribe_loop
    batch
    heartbeat
    no_pong
}

// Without an SDK, so one language is enough.
scenarios! { javascript on Embedded, crate::scenario::play: lapsed }

scenarios! { both on Embedded, crate::outage::kill: killed }
scenarios! { both on Embedded, crate::outage::stop: stopped }
