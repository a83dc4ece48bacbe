"""What every scenario needs: clients of the unmodified SDK, tokens, awaited events, and a word with the test outside.

In, from the environment: TIDEGATE_URL and TIDEGATE_OTHER_URL (WebSocket endpoints of two gateways, or twice the same),
TIDEGATE_FORMAT (`json` or `protobuf`), TIDEGATE_SECRET (of HS256 tokens).
"""

import asyncio
import base64
import hashlib
import hmac
import json
import math
import os
import sys
import time

from centrifuge import CentrifugeError, Client, ClientEventHandler, SubscriptionEventHandler

URL = os.environ["TIDEGATE_URL"]
OTHER_URL = os.environ["TIDEGATE_OTHER_URL"]
PROTOBUF = os.environ["TIDEGATE_FORMAT"] == "protobuf"
SECRET = os.environ["TIDEGATE_SECRET"]

# Seconds in which an awaited event has to happen.
DEADLINE = 30

CLIENT_EVENTS = "connecting connected disconnected error subscribed subscribing unsubscribed publication"
SUBSCRIPTION_EVENTS = "subscribing subscribed unsubscribed publication join leave error"

_clients = []


class Tape:
    """Everything that a client or subscription told its handler, to be taken in order."""

    def __init__(self, handler, names):
        self._events = []
        self._taken = {}
        self._waiting = []
        self.handler = handler
        for name in names.split():
            setattr(handler, f"on_{name}", self._recorder(name))

    def _recorder(self, name):
        async def record(context):
            self._events.append((name, context))
            waiting, self._waiting = self._waiting, []
            for future in waiting:
                if not future.done():
                    future.set_result(None)

        return record

    def all(self, name):
        return [context for found, context in self._events if found == name]

    def count(self, name):
        return len(self.all(name))

    async def next(self, name):
        """The first event of this name that was not taken yet."""
        index = self._taken.get(name, 0)
        self._taken[name] = index + 1

        async def happens():
            while self.count(name) <= index:
                future = asyncio.get_running_loop().create_future()
                self._waiting.append(future)
                await future
            return self.all(name)[index]

        try:
            return await asyncio.wait_for(happens(), DEADLINE)
        except asyncio.TimeoutError:
            happened = str(self._events)[-4_000:]
            raise AssertionError(f"no event {name} number {index + 1}; happened: {happened}") from None


def client(url=URL, **options):
    """A client that is not connected yet, with its tape."""
    tape = Tape(ClientEventHandler(), CLIENT_EVENTS)
    defaults = {"min_reconnect_delay": 0.05, "max_reconnect_delay": 0.5, "use_protobuf": PROTOBUF, "proxy": None}
    made = Client(url, events=tape.handler, **{**defaults, **options})
    made.tape = tape
    _clients.append(made)
    return made


async def connected(user, url=URL, **options):
    """A client that is connected as this user."""
    made = client(url, **{"token": connection_token(sub=user), **options})
    await made.connect()
    await made.tape.next("connected")
    return made


async def subscribe(owner, channel, **options):
    """A subscription that was asked for, with its tape."""
    tape = Tape(SubscriptionEventHandler(), SUBSCRIPTION_EVENTS)
    made = owner.new_subscription(channel, events=tape.handler, **options)
    made.tape = tape
    await made.subscribe()
    return made


async def subscribed(owner, channel, **options):
    """A subscription that is in force."""
    made = await subscribe(owner, channel, **options)
    await made.tape.next("subscribed")
    return made


async def disconnect_all():
    for made in _clients:
        await made.disconnect()


def encode(value):
    """A value as this format's payload."""
    return json.dumps(value).encode() if PROTOBUF else value


def decode(payload):
    """A payload of this format as a value."""
    return json.loads(payload) if PROTOBUF else payload


def in_seconds(seconds):
    """Seconds since 1970, at least some time from now."""
    return math.ceil(time.time()) + seconds


def token(secret=SECRET, **claims):
    """A connection or subscription token with these claims."""

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    body = ".".join(part(json.dumps(it).encode()) for it in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{body}.{part(hmac.new(secret.encode(), body.encode(), hashlib.sha256).digest())}"


def connection_token(**claims):
    return token(**{"exp": in_seconds(3_600), **claims})


def subscription_token(user, channel, **claims):
    return token(**{"sub": user, "channel": channel, "exp": in_seconds(3_600), **claims})


def say(line):
    """Says a line to the test outside."""
    print(line, flush=True)


async def told(line):
    """Waits for the test outside to say this line. It sets its own deadline."""
    said = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    assert said.rstrip("\n") == line, f"told {said!r} instead of {line!r}"


async def failure(awaitable):
    """The SDK's error that an awaitable ends with."""
    try:
        await awaitable
    except CentrifugeError as error:
        return error
    raise AssertionError("it did not fail")


def equal(found, expected, what=""):
    assert found == expected, f"{what}: {found!r} instead of {expected!r}"
