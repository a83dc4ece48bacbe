//! One gateway with the embedded backbone.

use super::outage::{kill, stop};
use super::scenario::{play, scenarios};

scenarios! { super::super::play, Embedded, [JavaScript Python]:
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
scenarios! { super::super::play, Embedded, [JavaScript]: lapsed }

scenarios! { super::super::kill, Embedded, [JavaScript Python]: killed }
scenarios! { super::super::stop, Embedded, [JavaScript Python]: stopped }
