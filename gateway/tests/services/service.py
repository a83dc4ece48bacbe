"""An application's backend that is a NATS client and nothing else: it hears in a queue group what gateways ask."""

import asyncio
import json
import os

import nats


def rpc(question):
    if question["method"] != "sum":
        return {"error": {"code": 404, "message": f"no method {question['method']}"}}
    return {"result": {"data": {"sum": sum(question["data"])}}}


def subscribe(question):
    if question["channel"] == "chat:closed":
        return {"error": {"code": 403, "message": "closed"}}
    return {"result": {}}


ANSWERS = {
    "connect": lambda _: {"result": {"user": "from-python", "data": {"hello": "python"}}},
    "subscribe": subscribe,
    "publish": lambda it: {"result": {"data": {"by": it["user"], "text": it["data"]["text"].upper()}}},
    "rpc": rpc,
}


async def main():
    connection = await nats.connect(os.environ["NATS_URL"])

    async def hear(message):
        answer = ANSWERS[message.headers["Tide-Event"]](json.loads(message.data))
        await message.respond(json.dumps(answer).encode())

    await connection.subscribe("tide.hook.app", queue="backends", cb=hear)
    await connection.flush()
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
