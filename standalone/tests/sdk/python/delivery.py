"""What is published reaches everybody who subscribed, once and in order."""

import asyncio
import base64
import json

from raw import RawClient
from stage import (
    OTHER_URL,
    URL,
    client,
    connected,
    connection_token,
    decode,
    encode,
    equal,
    say,
    subscribe,
    subscribed,
    told,
)


async def publish():
    """One publishes; both receive, and see who it was."""
    info = {"name": "Alice"}
    alice = await connected("alice", token=connection_token(sub="alice", info=info))
    bob = await connected("bob", OTHER_URL)
    near, far = await subscribed(alice, "chat:room"), await subscribed(bob, "chat:room")
    data = {"text": 'gr\u00fc\u00dfe\n"\u2028'}
    await near.publish(encode(data))
    for subscription in (near, far):
        publication = (await subscription.tape.next("publication")).pub
        equal(decode(publication.data), data)
        equal((publication.info.user, publication.info.client), ("alice", alice.client_id))
        equal(decode(publication.info.conn_info), info)

    # After unsubscribing nothing comes any more: commands keep their order, and so do publications.
    other = await subscribed(bob, "chat:other")
    await far.unsubscribe()
    await bob.publish("chat:other", encode("unsubscribed"))
    await near.publish(encode("unheard"))
    await bob.publish("chat:other", encode("last"))
    for expected in ("unsubscribed", "last"):
        equal(decode((await other.tape.next("publication")).pub.data), expected)
    equal(decode((await near.tape.next("publication")).pub.data), "unheard")
    equal(far.tape.count("publication"), 1)


async def order():
    """1,000 publications of one client reach two others in order, exactly once."""
    alice, bob, carol = await connected("alice"), await connected("bob", OTHER_URL), await connected("carol")
    subscriptions = [await subscribed(bob, "chat:room"), await subscribed(carol, "chat:room")]
    await publish_numbers(alice)
    await alice.publish("chat:room", encode("end"))
    for subscription in subscriptions:
        while decode((await subscription.tape.next("publication")).pub.data) != "end":
            pass
        received = [decode(context.pub.data) for context in subscription.tape.all("publication")]
        equal(received, [*range(1_000), "end"])


async def publish_numbers(owner):
    # Sent one after the other, awaited together.
    await asyncio.gather(*(owner.publish("chat:room", encode(number)) for number in range(1_000)))


async def many_subscriptions():
    """100 subscriptions go out together; 128 are allowed."""
    alice = client(token=connection_token(sub="alice"))
    burst = [await subscribe(alice, f"chat:{number}") for number in range(100)]
    await alice.connect()
    for subscription in burst:
        await subscription.tape.next("subscribed")
    # The personal channel is one of the 128.
    for number in range(100, 127):
        await subscribed(alice, f"chat:{number}")
    subscription = await subscribe(alice, "chat:127")
    equal((await subscription.tape.next("unsubscribed")).code, 106)

    await burst[0].unsubscribe()
    await subscribed(alice, "chat:128")
    await burst[99].publish(encode("works"))
    equal(decode((await burst[99].tape.next("publication")).pub.data), "works")
    equal(alice.tape.count("connecting"), 1)


async def subscribe_loop():
    """Subscribing and unsubscribing 200 times on five connections at once leaves everything as it should be."""
    users = ["alice", "bob", "carol", "dave", "erin"]
    owners = [await connected(user, OTHER_URL if index % 2 else URL) for index, user in enumerate(users)]

    async def loop(owner):
        subscription = await subscribed(owner, "chat:loop")
        for _ in range(200):
            await subscription.unsubscribe()
            await subscription.subscribe()
            await subscription.tape.next("subscribed")
        return subscription

    subscriptions = await asyncio.gather(*map(loop, owners))
    for data in ("after", "end"):
        await subscriptions[0].publish(encode(data))
        for subscription in subscriptions:
            equal(decode((await subscription.tape.next("publication")).pub.data), data)
    for subscription in subscriptions:
        equal(subscription.tape.count("publication"), 2)
    for owner in owners:
        equal(owner.tape.count("connecting"), 1)


async def batch():
    """A frame with a connect and 50 subscribes is answered in its order."""
    async with RawClient() as raw:
        connect = {"id": 1, "connect": {"token": connection_token(sub="alice")}}
        await raw.send([connect, *({"id": n + 2, "subscribe": {"channel": f"chat:{n}"}} for n in range(50))])
        replies = [await raw.next() for _ in range(51)]
        equal([reply["id"] for reply in replies], list(range(1, 52)))
        assert replies[0]["connect"]["client"], replies[0]
        for reply in replies[1:]:
            assert "subscribe" in reply and "error" not in reply, reply


async def listen():
    """Says every publication of `chat:room`, in base64, until it is told to stop. The connection must never break."""
    listener = await connected("listener")
    subscription = await subscribe(listener, "chat:room")
    record = subscription.tape.handler.on_publication

    async def speak_out(context):
        await record(context)
        data = context.pub.data
        say(base64.b64encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode())

    subscription.tape.handler.on_publication = speak_out
    await subscription.tape.next("subscribed")
    say("listening")
    await told("stop")
    equal(listener.tape.count("connecting"), 1)
    equal(subscription.tape.count("subscribing"), 1)


async def speak():
    """Publishes the numbers below 1,000, then `end`, to `chat:room`."""
    speaker = await connected("speaker")
    await publish_numbers(speaker)
    await speaker.publish("chat:room", encode("end"))
