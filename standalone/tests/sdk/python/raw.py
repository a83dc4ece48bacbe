"""A client without an SDK, for what no SDK does. The messages of the Protobuf format are those of the SDK's package."""

import asyncio
import json

import websockets
from centrifuge.protocol import client_pb2
from google.protobuf.internal.decoder import _DecodeVarint
from google.protobuf.internal.encoder import _VarintBytes
from google.protobuf.json_format import MessageToDict, ParseDict

from stage import DEADLINE, PROTOBUF, URL


class RawClient:
    """A connection of bare frames; replies as dictionaries, whatever the format."""

    async def __aenter__(self):
        subprotocols = ["centrifuge-protobuf"] if PROTOBUF else None
        self._socket = await websockets.connect(URL, subprotocols=subprotocols, proxy=None)
        self._replies = []
        return self

    async def __aexit__(self, *_):
        await self._socket.close()

    async def send(self, commands):
        """Sends commands as one frame."""
        await self._socket.send(encode(commands))

    async def next(self):
        """The next reply or push, in the order of arrival; pings are passed over."""
        while not (reply := await self._arrives()):
            pass
        return reply

    async def ping(self):
        """Waits for a ping; everything before it is passed over."""
        while await self._arrives():
            pass

    async def closed(self):
        """Waits for the server to close; gives its code and reason."""
        await asyncio.wait_for(self._socket.wait_closed(), DEADLINE)
        return self._socket.close_code, self._socket.close_reason

    async def _arrives(self):
        while not self._replies:
            self._replies = decode(await asyncio.wait_for(self._socket.recv(), DEADLINE))
        return self._replies.pop(0)


def encode(commands):
    if not PROTOBUF:
        return "\n".join(map(json.dumps, commands))
    messages = [ParseDict(command, client_pb2.Command()).SerializeToString() for command in commands]
    return b"".join(_VarintBytes(len(message)) + message for message in messages)


def decode(frame):
    if not PROTOBUF:
        return [json.loads(line) for line in frame.split("\n") if line]
    replies, position = [], 0
    while position < len(frame):
        length, position = _DecodeVarint(frame, position)
        reply = client_pb2.Reply.FromString(frame[position : position + length])
        replies.append(MessageToDict(reply, preserving_proto_field_name=True))
        position += length
    return replies
