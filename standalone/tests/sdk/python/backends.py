"""Backends: `cent`, Centrifugo's server library for Python, unmodified, beside clients on both gateways."""

import asyncio
import functools
import json
import urllib.error
import urllib.request

from cent import (
    AsyncClient,
    BatchRequest,
    BroadcastRequest,
    CentApiResponseError,
    CentUnauthorizedError,
    ChannelsRequest,
    Disconnect,
    DisconnectRequest,
    HistoryRemoveRequest,
    HistoryRequest,
    InfoRequest,
    PresenceRequest,
    PresenceStatsRequest,
    PublishRequest,
    RefreshRequest,
    StreamPosition,
    SubscribeRequest,
    UnsubscribeRequest,
)

from centrifuge import DeltaType

from stage import OTHER_URL, SECRET, URL, connected, decode, equal, in_seconds, subscribed

_backends = []


def api(url):
    """The server API of the gateway that clients find at this URL."""
    return url.replace("ws://", "http://").replace("/connection/websocket", "/api")


def backend(url=URL, key=SECRET):
    made = AsyncClient(api(url), key)
    _backends.append(made)
    return made


def scenario(play):
    """Closes what the scenario opened."""

    @functools.wraps(play)
    async def played():
        await play()
        for made in _backends:
            await made.close()

    return played


def id_of(client):
    return client.tape.all("connected")[-1].client


async def refused(awaitable):
    try:
        await awaitable
    except CentApiResponseError as error:
        return error.code
    raise AssertionError("it did not fail")


def post(path, body, key=SECRET, url=URL, **headers):
    """Status and body of a plain request."""
    request = urllib.request.Request(api(url) + path, data=body, method="POST")
    for name, value in {"X-API-Key": key, **headers}.items():
        if value is not None:
            request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@scenario
async def server_api_publishes():
    """Publications come to subscribers on both gateways; what cannot be published is told with its code."""
    near, far = await connected("alice"), await connected("bob", url=OTHER_URL)
    rooms = [await subscribed(owner, "chat:room") for owner in (near, far)]
    cent = backend()
    await cent.publish(PublishRequest(channel="chat:room", data={"n": 1}, tags={"of": "cent"}))
    for room in rooms:
        publication = (await room.tape.next("publication")).pub
        equal(decode(publication.data), {"n": 1})
        equal(publication.tags, {"of": "cent"})
    channels = ["chat:room", "nowhere:room"]
    broadcast = await cent.broadcast(BroadcastRequest(channels=channels, data={"n": 2}))
    equal([it.error and it.error.code for it in broadcast.responses], [None, 102])
    for room in rooms:
        equal(decode((await room.tape.next("publication")).pub.data), {"n": 2})
    equal(await refused(cent.publish(PublishRequest(channel="nowhere:a", data={}))), 102)
    equal(await refused(cent.publish(PublishRequest(channel="", data={}))), 107)
    equal(await refused(cent.history(HistoryRequest(channel="chat:room"))), 108)
    equal(await refused(cent.presence(PresenceRequest(channel="chat:room"))), 108)
    once = PublishRequest(channel="chat:room", data={"n": 3}, idempotency_key="once")
    for _ in range(3):
        await cent.publish(once)
    await cent.publish(PublishRequest(channel="chat:room", data={"n": 4}))
    for room in rooms:
        equal([decode((await room.tape.next("publication")).pub.data) for _ in range(2)], [{"n": 3}, {"n": 4}])


@scenario
async def server_api_reads_history():
    """A publication has a place, a key counts once per channel, and histories are read by position."""
    cent, other = backend(), backend(OTHER_URL)
    first = await cent.publish(PublishRequest(channel="kept:a", data=1, idempotency_key="k"))
    again = await other.publish(PublishRequest(channel="kept:a", data=1, idempotency_key="k"))
    equal((again.offset, again.epoch), (first.offset, first.epoch), "the same through another gateway")
    elsewhere = await cent.publish(PublishRequest(channel="kept:b", data=1, idempotency_key="k"))
    assert elsewhere.offset > first.offset, "a key is of one channel"
    last = await cent.publish(PublishRequest(channel="kept:a", data=2))
    top = await other.history(HistoryRequest(channel="kept:a", limit=0))
    equal((top.publications, top.offset, top.epoch), ([], last.offset, last.epoch))
    page = await other.history(HistoryRequest(channel="kept:a", limit=10))
    equal([(it.data, it.offset) for it in page.publications], [(1, first.offset), (2, last.offset)])
    since = StreamPosition(offset=first.offset, epoch=first.epoch)
    page = await other.history(HistoryRequest(channel="kept:a", limit=-1, since=since))
    equal([it.data for it in page.publications], [2])
    page = await cent.history(HistoryRequest(channel="kept:a", limit=1, reverse=True))
    equal([it.data for it in page.publications], [2])
    since = StreamPosition(offset=first.offset, epoch="another")
    equal(await refused(cent.history(HistoryRequest(channel="kept:a", limit=1, since=since))), 112)
    await cent.history_remove(HistoryRemoveRequest(channel="kept:a"))
    gone = await other.history(HistoryRequest(channel="kept:a", limit=10))
    equal((gone.publications, gone.epoch), ([], first.epoch))
    equal(len((await other.history(HistoryRequest(channel="kept:b", limit=10))).publications), 1)
    equal(await refused(cent.history_remove(HistoryRemoveRequest(channel="chat:room"))), 108)


@scenario
async def server_api_publishes_versions():
    """Of a document's states, published through any gateway, only newer ones are stored and delivered."""
    room = await subscribed(await connected("alice"), "kept:document")

    def publish(url, version, epoch="", channel="kept:document"):
        request = {"channel": channel, "data": f"{version}{epoch}", "version": version, "version_epoch": epoch}
        _, answer = post("/publish", json.dumps(request).encode(), url=url)
        answer = json.loads(answer)
        return answer["error"]["code"] if "error" in answer else answer["result"]["offset"]

    newest = publish(URL, 2)
    equal([publish(OTHER_URL, 1), publish(OTHER_URL, 2)], [newest, newest], "superseded")
    assert publish(OTHER_URL, 3) > newest
    assert publish(URL, 1, "b") > newest
    equal(publish(URL, 1, channel="chat:room"), 108)
    await backend().publish(PublishRequest(channel="kept:document", data="without"))
    states = [decode((await room.tape.next("publication")).pub.data) for _ in range(4)]
    equal(states, ["2", "3", "1b", "without"])
    page = await backend(OTHER_URL).history(HistoryRequest(channel="kept:document", limit=10))
    equal([it.data for it in page.publications], states)


@scenario
async def server_api_skips_history():
    """What skips history reaches subscribers of both gateways, those of patches too; it is never recovered or read."""
    cent, carol = backend(), await connected("carol")
    wanted = {"positioned": True, "recoverable": True}
    plain = await subscribed(await connected("alice"), "kept:skipping", **wanted)
    patched = await subscribed(await connected("bob", url=OTHER_URL), "kept:skipping", **wanted, delta=DeltaType.FOSSIL)
    away = await subscribed(carol, "kept:skipping", **wanted)
    text = "the same in all of them, long enough to be worth a patch " * 4

    async def publish(number, **options):
        done = await cent.publish(PublishRequest(channel="kept:skipping", data=[text, number], **options))
        for room in (plain, patched):
            equal(decode((await room.tape.next("publication")).pub.data), [text, number])
        return done.offset or 0

    offsets = [await publish(1), await publish(2, skip_history=True)]
    await carol.disconnect()
    await carol.tape.next("disconnected")
    offsets += [await publish(number, skip_history=number in (3, 5)) for number in range(3, 8)]
    equal([offset > 0 for offset in offsets], [True, False, False, True, False, True, True])
    once = {"skip_history": True, "idempotency_key": "once"}
    for _ in range(2):
        await cent.publish(PublishRequest(channel="kept:skipping", data=8, **once))
    for room in (plain, patched):
        equal(decode((await room.tape.next("publication")).pub.data), 8)
    equal(await publish(9) > offsets[-1], True)
    await carol.connect()
    again = await away.tape.next("subscribed")
    equal((again.was_recovering, again.recovered), (True, True))
    heard = [decode((await away.tape.next("publication")).pub.data)[1] for _ in range(6)]
    equal(heard, [1, 2, 4, 6, 7, 9])
    page = await cent.history(HistoryRequest(channel="kept:skipping", limit=20))
    equal([it.data[1] for it in page.publications], [1, 4, 6, 7, 9])
    for room in (plain, patched):
        equal((room.tape.count("subscribed"), room.tape.count("unsubscribed"), room.tape.count("error")), (1, 0, 0))


@scenario
async def server_api_controls_connections():
    """Orders reach a user's connections on both gateways, whichever is asked, and say how many there were."""
    near, far = await connected("alice"), await connected("alice", url=OTHER_URL)
    bob = await connected("bob", url=OTHER_URL)
    cent, both = backend(), (near, far)
    done = await cent.subscribe(SubscribeRequest(user="alice", channel="news:all", data={"hello": 1}))
    equal(done.num_clients, 2)
    for client in both:
        begun = await client.tape.next("subscribed")
        equal((begun.channel, decode(begun.data)), ("news:all", {"hello": 1}))
    await cent.publish(PublishRequest(channel="news:all", data="n"))
    for client in both:
        equal(decode((await client.tape.next("publication")).pub.data), "n")
    done = await backend(OTHER_URL).unsubscribe(UnsubscribeRequest(user="alice", channel="news:all"))
    equal(done.num_clients, 2)
    for client in both:
        equal((await client.tape.next("unsubscribed")).channel, "news:all")

    rooms = [await subscribed(client, "chat:room") for client in both]
    await cent.unsubscribe(UnsubscribeRequest(user="alice", channel="chat:room"))
    for room in rooms:
        equal((await room.tape.next("unsubscribed")).code, 2000)

    [one] = [it for it in (await connections(user="alice"))[0] if it == id_of(near)]
    done = await backend(OTHER_URL).disconnect(DisconnectRequest(user="alice", client=one))
    equal(done.num_clients, 1)
    ended = await near.tape.next("disconnected")
    equal((ended.code, ended.reason), (3503, "force disconnect"))
    equal((far.tape.count("disconnected"), bob.tape.count("disconnected")), (0, 0))

    near = await connected("alice")
    why = Disconnect(code=4501, reason="moved away")
    done = await cent.disconnect(DisconnectRequest(user="alice", disconnect=why))
    equal(done.num_clients, 2)
    for client in (near, far):
        ended = await client.tape.next("disconnected")
        equal((ended.code, ended.reason), (4501, "moved away"))
    equal((await cent.disconnect(DisconnectRequest(user="alice"))).num_clients, 0)
    equal(bob.tape.count("disconnected"), 0)
    bad = DisconnectRequest(user="bob", disconnect=Disconnect(code=99, reason=""))
    equal(await refused(cent.disconnect(bad)), 107)


@scenario
async def server_api_refreshes():
    """A connection's end is put off, or comes at once."""
    alice = await connected("alice", url=OTHER_URL)
    cent = backend()
    done = await cent.refresh(RefreshRequest(user="alice", expire_at=in_seconds(3_600)))
    equal(done.num_clients, 1)
    await cent.refresh(RefreshRequest(user="alice", expired=True))
    equal((await alice.tape.next("connecting")).code, 0)
    equal((await alice.tape.next("connecting")).code, 3005)


async def connections(**members):
    status, body = await asyncio.to_thread(post, "/connections", json.dumps(members).encode())
    result = json.loads(body)["result"]
    equal(status, 200)
    return result["connections"], result.get("next")


@scenario
async def server_api_tells_who_is_there():
    """Nodes, channels and connections of all gateways."""
    clients = [await connected(f"user-{n % 3}", url=(URL, OTHER_URL)[n % 2]) for n in range(6)]
    for client in clients:
        await subscribed(client, "chat:room")
    await subscribed(clients[0], "chat:other")
    cent = backend()
    nodes = (await cent.info(InfoRequest())).nodes
    equal(sorted(node.num_clients for node in nodes), [3, 3])
    equal(sorted(node.num_subs for node in nodes), [3, 4])
    equal([node.num_users for node in nodes], [3, 3])
    found = await cent.channels(ChannelsRequest())
    counts = {channel: it.num_clients for channel, it in found.channels.items()}
    equal((counts["chat:room"], counts["chat:other"]), (6, 1))
    found = await cent.channels(ChannelsRequest(pattern="chat:o*"))
    equal(list(found.channels), ["chat:other"])

    all_ids = sorted(id_of(client) for client in clients)
    ids, after = [], ""
    while after is not None:
        page, after = await connections(channel="chat:room", limit=4, after=after)
        ids += page
    equal(ids, all_ids, "in pages")
    page, _ = await connections(user="user-1")
    equal(sorted(page), sorted(id_of(it) for it in clients[1::3]))
    equal({it["user"] for it in page.values()}, {"user-1"})
    page, _ = await connections()
    equal(sorted(page), all_ids, "of whatever user and channel")
    page, _ = await connections(channel="chat:other", user="user-1")
    equal(page, {})


@scenario
async def server_api_refuses():
    """Keys, bodies and methods that are wrong; a batch goes on behind a command that fails."""
    try:
        await backend(key="another").info(InfoRequest())
    except CentUnauthorizedError:
        pass
    else:
        raise AssertionError("a wrong key is taken")
    plain = b'{"channel":"chat:a","data":1}'
    for expected, request in (
        (401, ("/publish", plain, None)),
        (401, ("/publish", plain, "")),
        (401, ("/publish", b"{", "wrong")),
        (401, ("/publish", b"x" * 70_000, "wrong")),
        (400, ("/publish", b"{")),
        (400, ("/publish", b'{"channel":1}')),
        (404, ("/nothing", b"{}")),
        (413, ("/publish", b'{"channel":"chat:a","data":"' + b"x" * 70_000 + b'"}')),
        (200, ("/publish", plain)),
        (200, (f"/publish?api_key={SECRET.replace(' ', '+')}", plain, None)),
    ):
        status, body = await asyncio.to_thread(post, *request)
        equal(status, expected, body)
    unknown = b'{"channel":"nowhere:a","data":1}'
    for mode, expected in ((None, 200), ("transport", 404)):
        status, body = await asyncio.to_thread(lambda: post("/publish", unknown, X_Centrifugo_Error_Mode=mode))
        equal((status, json.loads(body)["error"]["code"]), (expected, 102))
    status, body = await asyncio.to_thread(post, "", b'{"method":"publish","params":' + plain + b"}")
    equal((status, json.loads(body)), (200, {"result": {}}))

    good = PublishRequest(channel="chat:a", data=1)
    for parallel in (False, True):
        done = await backend().batch(BatchRequest(requests=[good, ChannelsRequest()], parallel=parallel))
        equal(len(done.replies), 2)
        commands = [{"publish": {"channel": name, "data": 1}} for name in ("chat:a", "nowhere:a", "chat:b")]
        body = json.dumps({"commands": [*commands, {"nothing": {}}], "parallel": parallel}).encode()
        status, body = await asyncio.to_thread(post, "/batch", body)
        replies = json.loads(body)["replies"]
        equal([list(reply) for reply in replies], [["publish"], ["error"], ["publish"], ["error"]])
        equal([reply["error"]["code"] for reply in replies[1::2]], [102, 104])


@scenario
async def presence_for_backends():
    """A backend at either gateway sees clients of both, at once those of the gateway that it asks."""
    alice, bob = await connected("alice"), await connected("bob", OTHER_URL)
    await subscribed(alice, "seen:desk")
    near, far = backend(), backend(OTHER_URL)
    equal([it.user for it in (await near.presence(PresenceRequest(channel="seen:desk"))).presence.values()], ["alice"])
    await subscribed(bob, "seen:desk")
    there = (await far.presence(PresenceRequest(channel="seen:desk"))).presence
    equal(sorted(there), sorted([id_of(alice), id_of(bob)]))
    stats = await far.presence_stats(PresenceStatsRequest(channel="seen:desk"))
    equal((stats.num_clients, stats.num_users), (2, 2))
    equal((await near.presence(PresenceRequest(channel="seen:nobody"))).presence, {})
    equal(await refused(near.presence(PresenceRequest(channel="chat:room"))), 108)
