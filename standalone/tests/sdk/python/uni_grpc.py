"""A program that listens by gRPC, with the package `grpcio` and messages as Centrifugo's clients have them: of each those
fields that a client of ours looks at, with the numbers that they have there.
"""

import asyncio
import json
import os

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from stage import DEADLINE, connected, connection_token, encode, equal, subscribed

PACKAGE = "centrifugal.centrifugo.unistream"
METHOD = f"/{PACKAGE}.CentrifugoUniStream/Consume"
TARGET = os.environ.get("TIDEGATE_UNI_GRPC", "")

FIELDS = {
    "ConnectRequest": "1 string token, 2 bytes data, 3 map:SubscribeRequest subs, 4 string name, 5 string version",
    "SubscribeRequest": "3 bool recover, 6 string epoch, 7 uint64 offset",
    "Push": "2 string channel, 4 Publication pub, 10 Connect connect, 11 Disconnect disconnect",
    "Publication": "4 bytes data, 5 ClientInfo info, 6 uint64 offset",
    "ClientInfo": "1 string user, 2 string client",
    "Connect": "1 string client, 2 string version, 4 map:SubscribeResult subs, 7 uint32 ping, 8 bool pong",
    "SubscribeResult": "3 bool recoverable, 6 string epoch, 7 *Publication publications, 8 bool recovered, 9 uint64 offset",
    "Disconnect": "1 uint32 code, 2 string reason, 3 bool reconnect",
}


def add_field(message, text):
    number, kind, name = text.split()
    field = message.field.add(name=name, number=int(number), label=1)
    if kind.startswith("map:"):
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        add_field(entry, "1 string key")
        add_field(entry, f"2 {kind.removeprefix('map:')} value")
        kind = f"*{message.name}.{entry.name}"
    if kind.startswith("*"):
        field.label, kind = 3, kind[1:]
    scalar = getattr(field, f"TYPE_{kind.upper()}", None)
    if scalar is None:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = scalar


def messages():
    file = descriptor_pb2.FileDescriptorProto(name="unistream.proto", package=PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            add_field(message, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in FIELDS}


TYPES = messages()


class Listener:
    def __init__(self, channel, **fields):
        consume = channel.unary_stream(
            METHOD,
            request_serializer=TYPES["ConnectRequest"].SerializeToString,
            response_deserializer=TYPES["Push"].FromString,
        )
        self.call = consume(TYPES["ConnectRequest"](**fields))

    async def next(self, kind):
        """The next push that is not a ping."""
        while True:
            push = await asyncio.wait_for(self.call.read(), DEADLINE)
            assert push is not grpc.aio.EOF, "the stream has ended"
            if push.ByteSize() > 0:
                assert push.HasField(kind), push
                return push


async def uni_grpc():
    writer = await connected("bob")
    room = await subscribed(writer, "events:room")
    async with grpc.aio.insecure_channel(TARGET) as channel:
        token = connection_token(sub="alice")
        first = Listener(channel, token=token, subs={"events:room": {}})
        sub = (await first.next("connect")).connect.subs["events:room"]
        assert sub.recoverable and sub.epoch, sub
        await room.publish(encode({"n": 1}))
        heard = await first.next("pub")
        equal(heard.channel, "events:room")
        equal(json.loads(heard.pub.data), {"n": 1})
        equal(heard.pub.info.user, "bob")
        first.call.cancel()

        # What was missed comes with the connect.
        for number in (2, 3):
            await room.publish(encode({"n": number}))
        since = {"recover": True, "epoch": sub.epoch, "offset": heard.pub.offset}
        second = Listener(channel, token=token, subs={"events:room": since})
        sub = (await second.next("connect")).connect.subs["events:room"]
        assert sub.recovered, sub
        equal([json.loads(it.data)["n"] for it in sub.publications], [2, 3])
        second.call.cancel()

        # A refusal is a push, and the end of the stream is a good one.
        refused = Listener(channel, token="no token")
        end = (await refused.next("disconnect")).disconnect
        equal((end.code, end.reason, end.reconnect), (3500, "invalid token", False))
        equal(await asyncio.wait_for(refused.call.read(), DEADLINE), grpc.aio.EOF)
        equal(await refused.call.code(), grpc.StatusCode.OK)
