"""Scenarios for the package `centrifuge-python` against running gateways: `python3 <this folder> <scenario>`, the rest by
environment (see stage.py). Ends with 0 only if every assertion of the scenario held.
"""

import asyncio
import sys

import authentication
import backends
import channels
import delivery
import heartbeat
import outage
import presence
import recovery
import uni_grpc
from stage import disconnect_all


async def main(name):
    modules = (authentication, backends, channels, delivery, heartbeat, outage, presence, recovery, uni_grpc)
    [scenario] = [getattr(module, name) for module in modules if hasattr(module, name)]
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    await scenario()
    await disconnect_all()
    assert not failures, failures


asyncio.run(main(sys.argv[1]))
