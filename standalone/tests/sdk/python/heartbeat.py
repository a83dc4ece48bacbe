"""Pings and pongs."""

from raw import RawClient
from stage import connected, connection_token, decode, encode, equal, subscribed


async def heartbeat():
    """The connection lives as long as pings are answered: longer than four pings to another one."""
    alice = await connected("alice", max_server_ping_delay=5.0)
    subscription = await subscribed(alice, "chat:room")
    async with RawClient() as raw:
        await raw.send([{"id": 1, "connect": {"token": connection_token(sub="bob")}}])
        await raw.next()
        for _ in range(4):
            await raw.ping()
            await raw.send([{}])
    await subscription.publish(encode("alive"))
    equal(decode((await subscription.tape.next("publication")).pub.data), "alive")
    equal(alice.tape.count("connecting"), 1)


async def no_pong():
    """A client that answers no ping is told so."""
    async with RawClient() as raw:
        await raw.send([{"id": 1, "connect": {"token": connection_token(sub="bob")}}])
        connect = (await raw.next())["connect"]
        equal((connect["ping"], connect["pong"]), (2, True))
        await raw.ping()
        equal(await raw.closed(), (3012, "no pong"))
