"""Who may connect, and for how long."""

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
    in_seconds,
    subscribe,
    subscribed,
    subscription_token,
    token,
)


async def refuse(*_):
    raise UnauthorizedError("no")


async def anonymous_refused():
    """Without a token, where anonymous users are not welcome: terminal."""
    anonymous = client()
    await anonymous.connect()
    context = await anonymous.tape.next("disconnected")
    equal((context.code, context.reason), (3501, "bad request"))
    equal(anonymous.tape.count("connected"), 0)


async def bad_token():
    """Tokens that will never be right: terminal."""
    wrong = {
        "garbage": "garbage",
        "foreign": token("another secret", sub="alice"),
        "unsigned": token(sub="alice").rsplit(".", 1)[0] + ".",
        "for a channel": subscription_token("alice", "chat:room"),
    }
    for name, bad in wrong.items():
        refused = client(token=bad)
        await refused.connect()
        context = await refused.tape.next("disconnected")
        equal((context.code, context.reason), (3500, "invalid token"), name)


async def unauthorized():
    """The application refuses a token: the SDK stops by itself."""
    refused = client(get_token=refuse)
    await refused.connect()
    equal((await refused.tape.next("disconnected")).code, 1)

    alice = await connected("alice")
    subscription = await subscribe(alice, "$chat:room", get_token=refuse)
    equal((await subscription.tape.next("unsubscribed")).code, 1)
    equal(alice.tape.count("disconnected"), 0)


async def expired_token():
    """A token whose time is over is replaced by a fresh one, without the application's doing."""
    asked = []

    async def get_token():
        asked.append(True)
        return connection_token(sub="alice")

    alice = client(token=token(sub="alice", exp=in_seconds(-60)), get_token=get_token)
    # It goes out in the same frame as the connect that is refused.
    early = await subscribe(alice, "chat:room")
    await alice.connect()
    await alice.tape.next("connected")
    equal(len(asked), 1)
    await early.tape.next("subscribed")
    equal(alice.tape.all("error")[0].error.code, 109)

    channel = "$chat:room"
    tokens = [subscription_token("alice", channel, exp=in_seconds(-60)), subscription_token("alice", channel)]

    async def get_subscription_token(_):
        return tokens.pop(0)

    subscription = await subscribed(alice, channel, get_token=get_subscription_token)
    equal(tokens, [])
    equal(subscription.tape.all("error")[0].error.code, 109)


async def refresh():
    """A connection outlives its first token, and the application notices nothing."""
    start, asked, outlived = time.monotonic(), [], asyncio.Event()

    async def get_token():
        asked.append(True)
        # The first token and its grace are over: at most 3 s and 3 s.
        if time.monotonic() - start > 6:
            outlived.set()
        return token(sub="alice", exp=in_seconds(2), info={"asked": len(asked)})

    alice = client(get_token=get_token)
    await alice.connect()
    await alice.tape.next("connected")
    subscription = await subscribed(alice, "chat:room")
    await asyncio.wait_for(outlived.wait(), 15)
    await subscription.publish(encode("still here"))
    publication = (await subscription.tape.next("publication")).pub
    equal(decode(publication.data), "still here")
    assert decode(publication.info.conn_info)["asked"] >= 3, "the info comes from the latest token"
    equal(alice.tape.count("connected"), 1)
    equal(alice.tape.count("connecting"), 1)


async def refresh_refused():
    """Refreshes that the server or the application refuses."""

    async def refreshing(second):
        tokens = [token(sub="alice", exp=in_seconds(2)), second]

        async def get_token():
            following = tokens.pop(0) if tokens else connection_token(sub="alice")
            if isinstance(following, Exception):
                raise following
            return following

        made = client(get_token=get_token)
        await made.connect()
        await made.tape.next("connected")
        await made.tape.next("connecting")
        return made

    other_user, forged, late, refused = await asyncio.gather(
        refreshing(connection_token(sub="bob")),
        refreshing(token("another secret", sub="alice")),
        refreshing(token(sub="alice", exp=in_seconds(-60))),
        refreshing(UnauthorizedError("no")),
    )
    equal((await other_user.tape.next("disconnected")).code, 3500)
    equal((await forged.tape.next("disconnected")).code, 3500)
    equal((await refused.tape.next("disconnected")).code, 1)
    # An expired connection may come back with a better token.
    equal((await late.tape.next("connecting")).code, 3005)
    await late.tape.next("connected")
