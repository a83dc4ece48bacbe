"""Who may subscribe to what, and what the SDK makes of a refusal."""

import asyncio
import time

from centrifuge import UnauthorizedError

from stage import (
    client,
    connected,
    connection_token,
    decode,
    encode,
    equal,
    failure,
    in_seconds,
    subscribe,
    subscribed,
    subscription_token,
    token,
)


async def errors():
    """Subscriptions that the server refuses: final, with the code. The connection goes on."""
    alice = await connected("alice", token=connection_token(sub="alice", channels=["news:mine"]))
    refusals = {
        "nowhere:room": 102,
        "closed:room": 103,
        "$chat:room": 103,
        "news:mine": 105,
        "chat:" + "x" * 251: 107,
        "chat:gr\u00fc\u00dfe": 107,
    }
    for channel, code in refusals.items():
        subscription = await subscribe(alice, channel)
        equal((await subscription.tape.next("unsubscribed")).code, code, channel)
    await subscribed(alice, "chat:" + "x" * 250)

    room = await subscribed(alice, "chat:room")
    failures = {
        "rpc": (alice.rpc("method", encode({})), 108),
        "history": (alice.history("chat:room", limit=1), 108),
        "presence": (alice.presence("chat:room"), 108),
        "presence_stats": (alice.presence_stats("chat:room"), 108),
        "history of a subscription": (room.history(limit=1), 108),
        "history of nowhere": (alice.history("nowhere:room", limit=1), 102),
        "publish nowhere": (alice.publish("nowhere:room", encode(1)), 102),
        "publish forbidden": (alice.publish("news:mine", encode(1)), 103),
    }
    for name, (awaitable, code) in failures.items():
        equal((await failure(awaitable)).code, code, name)
    await room.publish(encode("works"))
    equal(decode((await room.tape.next("publication")).pub.data), "works")
    equal(alice.tape.count("connecting"), 1)


async def private_channel():
    """A private channel asks for a token, which brings data, and info for others."""
    channel = "$chat:room"
    alice, bob = await connected("alice"), await connected("bob")
    subscription = await subscribe(bob, channel)
    equal((await subscription.tape.next("unsubscribed")).code, 103)

    right = subscription_token("alice", channel, data={"welcome": True}, info={"seat": 7})
    subscription = await subscribe(alice, channel, token=right)
    context = await subscription.tape.next("subscribed")
    equal(decode(context.data), {"welcome": True})
    await subscription.publish(encode("secret"))
    publication = (await subscription.tape.next("publication")).pub
    equal(decode(publication.info.chan_info), {"seat": 7})

    forged = token("another secret", sub="bob", channel="$chat:forged")
    subscription = await subscribe(bob, "$chat:forged", token=forged)
    equal((await subscription.tape.next("unsubscribed")).code, 103)


async def private_channel_of_others():
    """A subscription token for something else ends the connection for good."""
    channel = "$chat:room"
    wrong = [
        subscription_token("alice", "$chat:other"),
        subscription_token("bob", channel),
        subscription_token("alice", channel, client="another connection"),
    ]
    for index, bad in enumerate(wrong):
        alice = await connected("alice")
        await subscribe(alice, channel, token=bad)
        equal((await alice.tape.next("disconnected")).code, 3500, f"token {index}")


async def subscription_refresh():
    """A subscription outlives its first token."""
    channel, start, outlived = "$chat:room", time.monotonic(), asyncio.Event()

    async def get_token(asked):
        equal(asked, channel)
        if time.monotonic() - start > 6:
            outlived.set()
        return subscription_token("alice", channel, exp=in_seconds(2))

    alice = await connected("alice")
    subscription = await subscribed(alice, channel, get_token=get_token)
    await asyncio.wait_for(outlived.wait(), 15)
    await subscription.publish(encode("still here"))
    equal(decode((await subscription.tape.next("publication")).pub.data), "still here")
    equal(subscription.tape.count("subscribed"), 1)
    equal(subscription.tape.count("subscribing"), 1)


async def subscription_refresh_refused():
    """Subscription refreshes that the application or the server refuses."""
    channel = "$chat:room"

    async def refreshing(second):
        tokens = [subscription_token("alice", channel, exp=in_seconds(2)), second]

        async def get_token(_):
            following = tokens.pop(0)
            if isinstance(following, Exception):
                raise following
            return following

        alice = await connected("alice")
        return alice, await subscribed(alice, channel, get_token=get_token)

    (calm, refused), (gone, _) = await asyncio.gather(
        refreshing(UnauthorizedError("no")),
        refreshing(subscription_token("alice", "$chat:other")),
    )
    equal((await refused.tape.next("unsubscribed")).code, 1)
    equal(calm.tape.count("disconnected"), 0)
    equal((await gone.tape.next("disconnected")).code, 3500)


async def server_side():
    """Subscriptions that the server makes: by the token, and each user's own channel."""
    subs = {"news:second": {"data": {"welcome": True}}}
    first = connection_token(sub="alice", channels=["chat:first"], subs=subs)
    alice = await connected("alice", token=first)
    contexts = await take(alice, "subscribed", 3)
    equal(sorted(contexts), ["chat:first", "news:second", "personal:#alice"])
    equal(decode(contexts["news:second"].data), {"welcome": True})

    bob = await connected("bob")
    await alice.publish("chat:first", encode("mine"))
    equal(seen(await alice.tape.next("publication")), ("chat:first", "mine", "alice"))
    await bob.publish("personal:#alice", encode("for you"))
    equal(seen(await alice.tape.next("publication")), ("personal:#alice", "for you", "bob"))

    await alice.disconnect()
    await alice.tape.next("disconnected")
    alice.set_token(connection_token(sub="alice", channels=["chat:third"]))
    await alice.connect()
    equal(sorted(await take(alice, "subscribed", 2)), ["chat:third", "personal:#alice"])
    equal(sorted(await take(alice, "unsubscribed", 2)), ["chat:first", "news:second"])
    await bob.publish("personal:#alice", encode("again"))
    equal(seen(await alice.tape.next("publication")), ("personal:#alice", "again", "bob"))


async def take(owner, name, count):
    contexts = [await owner.tape.next(name) for _ in range(count)]
    return {context.channel: context for context in contexts}


def seen(context):
    return context.channel, decode(context.pub.data), context.pub.info.user
