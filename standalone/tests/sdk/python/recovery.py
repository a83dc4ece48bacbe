"""Clients that come back, in channels whose publications are kept: `kept:` many of them, `short:` five, `newest:` many, of
which a client that comes back is given the newest."""

from stage import OTHER_URL, connected, decode, encode, equal, say, subscribe, subscribed, told

from centrifuge import DeltaType

RECOVERABLE = {"positioned": True, "recoverable": True}


def document(number):
    """A document that differs from the next one in a few places, characters of several bytes among them."""
    return {"number": number, "text": f"Grüße an {number} Gäste: {'日本 💧 é ' * 20}{chr(0x1F300 + number)}"}


async def publish_numbers(owner, channel, numbers):
    for number in numbers:
        await owner.publish(channel, encode(document(number)))


async def hear(subscription, numbers):
    for number in numbers:
        equal(decode((await subscription.tape.next("publication")).pub.data), document(number))


async def comes_back(channel, options, missed):
    alice, bob = await connected("alice"), await connected("bob", OTHER_URL)
    subscription = await subscribe(alice, channel, **options)
    first = await subscription.tape.next("subscribed")
    equal((first.positioned, first.recoverable), (True, True))
    await publish_numbers(bob, channel, range(1, 4))
    await hear(subscription, range(1, 4))
    await alice.disconnect()
    await alice.tape.next("disconnected")
    await publish_numbers(bob, channel, range(4, 4 + missed))
    await alice.connect()
    again = await subscription.tape.next("subscribed")
    equal(again.was_recovering, True)
    return bob, subscription, again.recovered


async def recovers(channel, options):
    """What was missed comes in order, once, and then what is published next."""
    bob, subscription, recovered = await comes_back(channel, options, 20)
    equal(recovered, True)
    await publish_numbers(bob, channel, range(24, 31))
    await hear(subscription, range(4, 31))
    equal(subscription.tape.count("publication"), 30)
    equal(subscription.tape.count("error"), 0)


async def recovery():
    await recovers("kept:recovery", RECOVERABLE)


async def recovery_of_deltas():
    await recovers("kept:deltas", {**RECOVERABLE, "delta": DeltaType.FOSSIL})


async def recovery_of_too_much():
    """What is not kept any more: the client is told, and goes on with what comes."""
    bob, subscription, recovered = await comes_back("short:recovery", RECOVERABLE, 20)
    equal(recovered, False)
    await publish_numbers(bob, "short:recovery", [24])
    await hear(subscription, [24])
    equal(subscription.tape.count("publication"), 4)


async def recovery_of_the_newest():
    """Of what was missed the newest comes alone."""
    bob, subscription, recovered = await comes_back("newest:recovery", RECOVERABLE, 20)
    equal(recovered, True)
    await hear(subscription, [23])
    await publish_numbers(bob, "newest:recovery", [24])
    await hear(subscription, [24])
    equal(subscription.tape.count("publication"), 5)


async def recovery_after_a_kill():
    """Publications that were confirmed outlive the gateway, and so do positions."""
    alice, bob = await connected("alice"), await connected("bob")
    subscription = await subscribed(alice, "kept:kill", **RECOVERABLE)
    await publish_numbers(bob, "kept:kill", range(1, 4))
    await hear(subscription, range(1, 4))
    await alice.disconnect()
    await publish_numbers(bob, "kept:kill", range(4, 11))
    say("ready")
    await told("back")
    await alice.connect()
    equal((await subscription.tape.next("subscribed")).recovered, True)
    await hear(subscription, range(4, 11))
    equal(subscription.tape.count("publication"), 10)
