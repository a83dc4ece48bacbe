"""Who is in a channel, in namespaces with presence: `seen:`, and in `told:` everybody hears of joins and leaves."""

import asyncio

from stage import DEADLINE, OTHER_URL, connected, connection_token, decode, equal, failure, subscribe, subscribed


async def until(subscription, count):
    """Waits until so many clients are in the channel."""
    last = None

    async def reached():
        nonlocal last
        while (last := (await subscription.presence_stats()).num_clients) != count:
            await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(reached(), DEADLINE)
    except asyncio.TimeoutError:
        raise AssertionError(f"{last} clients instead of {count}") from None


async def presence():
    """Two clients of two gateways see each other, and themselves at once."""
    token = connection_token(sub="alice", info={"name": "Alice"})
    alice, bob = await connected("alice", token=token), await connected("bob", OTHER_URL)
    equal((await failure(alice.presence("seen:room"))).code, 103)
    equal((await failure(alice.presence_stats("nowhere:room"))).code, 102)

    hers = await subscribed(alice, "seen:room")
    clients = (await hers.presence()).clients
    [(client, info)] = clients.items()
    equal((info.user, info.client, decode(info.conn_info)), ("alice", client, {"name": "Alice"}))

    his = await subscribed(bob, "seen:room")
    await until(hers, 2)
    for subscription in (hers, his):
        users = sorted(it.user for it in (await subscription.presence()).clients.values())
        equal(users, ["alice", "bob"])
        equal((await subscription.presence_stats()).num_users, 2)
    await his.unsubscribe()
    await until(hers, 1)


async def presence_loop():
    """Clients come and go in a loop. Each sees itself, and in the end the number is right."""
    watched = await subscribed(await connected("watcher", OTHER_URL), "seen:loop")

    async def come_and_go(number):
        user = f"user-{number}"
        owner = await (connected(user, OTHER_URL) if number % 2 else connected(user))
        subscription = await subscribe(owner, "seen:loop")
        for turn in range(25):
            await subscription.subscribe()
            await subscription.ready()
            users = [it.user for it in (await subscription.presence()).clients.values()]
            assert user in users, f"turn {turn} of {user}: {users}"
            await subscription.unsubscribe()
        await subscription.subscribe()
        await subscription.ready()
        return subscription

    subscriptions = await asyncio.gather(*map(come_and_go, range(5)))
    await until(watched, 6)
    for subscription in subscriptions:
        await subscription.unsubscribe()
    await until(watched, 1)


async def joins_and_leaves():
    """Who asks for joins and leaves, or is told of them anyway, hears those of every gateway, in order."""
    alice, bob = await connected("alice"), await connected("bob", OTHER_URL)
    for channel, options in (("seen:events", {"join_leave": True}), ("told:events", {})):
        hers = await subscribed(alice, channel, **options)
        equal((await hers.tape.next("join")).info.user, "alice")
        his = await subscribed(bob, channel)
        info = (await hers.tape.next("join")).info
        equal(info.user, "bob")
        await his.unsubscribe()
        equal((await hers.tape.next("leave")).info, info)
        equal((hers.tape.count("join"), hers.tape.count("leave")), (2, 1))
