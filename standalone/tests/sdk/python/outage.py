"""Servers that go away. The test outside ends them, and starts them again, when it is told."""

import time

from stage import OTHER_URL, connected, decode, encode, equal, failure, say, subscribed, told


async def killed():
    """The gateway is killed and comes back: so do the client and its subscriptions."""
    await comes_back(1)


async def stopped():
    """The gateway is stopped: the client is told, and comes back."""
    await comes_back(3001)


async def comes_back(expected):
    alice = await connected("alice")
    subscriptions = {channel: await subscribed(alice, channel) for channel in ("chat:room", "chat:other")}
    await alice.tape.next("connecting")
    say("ready")
    equal((await alice.tape.next("connecting")).code, expected)
    await alice.tape.next("connected")
    for channel, subscription in subscriptions.items():
        await subscription.tape.next("subscribed")
        await subscription.publish(encode(channel))
        equal(decode((await subscription.tape.next("publication")).pub.data), channel)
        equal(subscription.tape.count("unsubscribed"), 0)
    equal(alice.tape.count("connected"), 2)


async def backbone_lost():
    """NATS goes away and comes back: clients stay, and know whether a publication was taken."""
    alice, bob = await connected("alice"), await connected("bob", OTHER_URL)
    subscriptions = [await subscribed(alice, "chat:room"), await subscribed(bob, "chat:room")]
    say("ready")
    await told("lost")
    start = time.monotonic()
    equal((await failure(subscriptions[0].publish(encode("lost"), timeout=10))).code, 100)
    assert time.monotonic() - start < 5, "an error was promised within 5 s"
    say("refused")
    await told("back")
    # Accepted only after NATS has read the subscriptions of that gateway.
    await bob.publish("chat:other", encode("barrier"))
    await subscriptions[0].publish(encode("back"))
    for subscription in subscriptions:
        equal(decode((await subscription.tape.next("publication")).pub.data), "back")
    for owner in (alice, bob):
        equal(owner.tape.count("connecting"), 1)
