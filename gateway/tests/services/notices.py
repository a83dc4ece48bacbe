"""A backend that fetches two notices from their stream, acknowledges them, and says what they were."""

import asyncio
import json
import os

import nats


async def main():
    connection = await nats.connect(os.environ["NATS_URL"])
    stream = connection.jetstream()
    consumer = await stream.pull_subscribe("tide.hook.app.*", durable="app", stream="tide-hooks")
    left = 2
    while left:
        for message in await consumer.fetch(left, timeout=20):
            notice = json.loads(message.data)
            told = {name: notice.get(name) for name in ("user", "channel", "code", "reason")}
            print(json.dumps({"event": message.headers["Tide-Event"], **told}), flush=True)
            await message.ack_sync()
            left -= 1
    await connection.close()


asyncio.run(main())
