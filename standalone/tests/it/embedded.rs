//! One gateway with the embedded backbone.

use tidegate_testkit::program::Program;

use super::scenario::{Format, Sdk, command, scenarios};
use super::site::{Backbone, Site};

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

scenarios! { both on Embedded, crate::scenario::play:
    recovery
    recovery_of_deltas
    recovery_of_the_newest
    recovery_of_too_much
}
scenarios! { python on Embedded, crate::scenario::play: server_api_skips_history server_api_publishes_versions }
scenarios! { javascript on Embedded, crate::scenario::play: deltas history rate_limited }

// Without an SDK, so one language is enough.
scenarios! { javascript on Embedded, crate::scenario::play: lapsed }

scenarios! { both on Embedded, crate::outage::kill_quietly: recovery_after_a_kill }
scenarios! { both on Embedded, crate::outage::kill: killed }
scenarios! { both on Embedded, crate::outage::stop: stopped }

#[tokio::test]
async fn tokens_of_the_command_line_are_accepted() {
    let site = Site::start(Backbone::Embedded, |_| {}).await;
    let gateway = site.near();
    let alice = ["--user", "alice", "--ttl", "1m"];
    let for_channel = [&alice[..], &["--channel", "$chat:room"]].concat();
    let mut command = command(
        "given_tokens",
        Sdk::JavaScript,
        Format::Json,
        gateway,
        gateway,
    );
    command
        .env("TIDEGATE_TOKEN", gateway.token(&alice).await.unwrap())
        .env(
            "TIDEGATE_CHANNEL_TOKEN",
            gateway.token(&for_channel).await.unwrap(),
        );
    Program::start(command).unwrap().succeeded().await.unwrap();
}
