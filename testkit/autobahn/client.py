"""The client that a case drives: what the cases ask of it, on the WebSocket client of the package `autobahn`."""

import asyncio
import collections

from autobahn.asyncio.websocket import WebSocketClientFactory, WebSocketClientProtocol
from autobahn.websocket.protocol import WebSocketProtocol

from octets import to_bytes, to_text

# What is sent in pieces goes on at the next turn of the loop, not after a tick of its clock.
WebSocketProtocol._QUEUED_WRITE_DELAY = 0


class Client(WebSocketClientProtocol):
    """One connection, and the case that it is for."""

    def __init__(self, factory, case_class):
        super().__init__()
        self.factory = factory
        self.connectionWasOpen = False
        self.createWirelog = False
        self.txFrameStats = collections.Counter()
        self.ended = factory.loop.create_future()
        self.speaks_bytes = case_class.__name__.startswith(("Case12_", "Case13_"))
        self.case = case_class(self)

    def onOpen(self):
        self.connectionWasOpen = True
        self.case.onOpen()

    def onMessage(self, payload, isBinary):
        self.case.onMessage(payload if self.speaks_bytes else to_text(payload), isBinary)

    def onPing(self, payload):
        super().onPing(payload)
        self.case.onPing(to_text(payload))

    def onPong(self, payload):
        self.case.onPong(to_text(payload))

    def onClose(self, wasClean, code, reason):
        self.case.onClose(wasClean, code, reason)

    def connection_lost(self, exc):
        super().connection_lost(exc)
        try:
            self.case.onConnectionLost(self.failedByMe)
            self.ended.set_result(None)
        except Exception as error:
            self.ended.set_exception(error)

    def logTxFrame(self, frameHeader, *_):
        self.txFrameStats[frameHeader.opcode] += 1

    def logRxFrame(self, *_):
        pass

    # What the cases call.

    def enableWirelog(self, enable):
        self.createWirelog = enable

    def continueLater(self, delay, then, tag=None):
        self._later(delay, then)

    def killAfter(self, delay):
        self._later(delay, self._fail_connection)

    def closeAfter(self, delay):
        self._later(delay, self.sendClose)

    def _later(self, delay, then):
        def unless_closed():
            if self.state != self.STATE_CLOSED:
                then()

        self.factory.loop.call_later(delay, unless_closed)

    # What they say, as bytes.

    def sendFrame(self, opcode, payload=b"", **options):
        super().sendFrame(opcode, to_bytes(payload), **options)

    def sendMessage(self, payload, isBinary=False, **options):
        super().sendMessage(to_bytes(payload), isBinary, **options)

    def sendMessageFrameData(self, payload, sync=False):
        return super().sendMessageFrameData(to_bytes(payload), sync)

    def sendPing(self, payload=None):
        super().sendPing(to_bytes(payload))

    def sendPong(self, payload=None):
        super().sendPong(to_bytes(payload))

    def sendCloseFrame(self, code=None, reasonUtf8=None, isReply=False):
        super().sendCloseFrame(code, to_bytes(reasonUtf8), isReply)


async def run_case(url, case_class):
    """Runs one case over one connection, and gives the case with its verdict."""
    factory = WebSocketClientFactory(url, loop=asyncio.get_running_loop())
    factory.logFrames = True
    # Violations are answered by a close frame, as the specification has it, not by dropping the connection. On a busy
    # machine an end takes longer than the second that it is given otherwise.
    factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=10, serverConnectionDropTimeout=10)
    connect = factory.loop.create_connection(lambda: Client(factory, case_class), factory.host, factory.port)
    _, client = await connect
    await client.ended
    return client.case
