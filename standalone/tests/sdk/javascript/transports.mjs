/** Scenarios of clients that cannot have a WebSocket. */

import assert from 'node:assert/strict';

import { EventSource } from './event_source.mjs';
import { proxy } from './proxy.mjs';
import { client, connected, connectionToken, decode, encode, otherUrl, subscribe, subscribed, url } from './stage.mjs';

/** Behind a proxy that refuses WebSockets, and then streams too, the SDK finds a way by itself, whichever node is hit. */
export async function fallback() {
  for (const [blocked, expected] of [[[], 'http_stream'], [['/connection/http_stream'], 'sse']]) {
    const base = await proxy([url, otherUrl, otherUrl], blocked);
    const transports = ['websocket', 'http_stream', 'sse'].map((transport) => ({
      transport,
      endpoint: `${transport === 'websocket' ? base.replace('http', 'ws') : base}/connection/${transport}`,
    }));
    const options = {
      token: connectionToken({ sub: 'alice' }), emulationEndpoint: `${base}/emulation`, eventsource: EventSource,
    };
    const alice = client(options, transports);
    alice.connect();
    const { transport } = await alice.tape.next('connected');
    assert.equal(transport, expected);
    const channel = `chat:${expected}`;
    const subscription = await subscribed(alice, channel);
    for (let number = 0; number < 30; number += 1) {
      await subscription.publish(encode(number));
      assert.equal(decode((await subscription.tape.next('publication')).data), number);
    }
    assert.equal(alice.tape.count('connected'), 1, `${alice.tape}`);
    alice.disconnect();
  }
}

/** A hundred subscribes, each a request of its own, and then one connection that has them all. */
export async function many_channels() {
  const alice = client({ token: connectionToken({ sub: 'alice' }) });
  const burst = Array.from({ length: 100 }, (_, number) => subscribe(alice, `chat:${number}`));
  alice.connect();
  for (const { tape } of burst) await tape.next('subscribed');
  await Promise.all(burst.map((subscription, number) => subscription.publish(encode(number))));
  for (const [number, { tape }] of burst.entries()) assert.equal(decode((await tape.next('publication')).data), number);
  assert.equal(alice.tape.count('connecting'), 1);
}

/** What is published in order over a WebSocket is heard in order over another transport, on both gateways. */
export async function in_order() {
  const channel = 'chat:order';
  const listeners = [await connected('ann'), await connected('ben', {}, otherUrl)];
  const heard = await Promise.all(listeners.map((listener) => subscribed(listener, channel)));
  const speaker = await connected('eve', {}, [{ transport: 'websocket', endpoint: url }]);
  const numbers = Array.from({ length: 1_000 }, (_, number) => number);
  await Promise.all(numbers.map((number) => speaker.publish(channel, encode(number))));
  for (const { tape } of heard) {
    for (const number of numbers) assert.equal(decode((await tape.next('publication')).data), number);
  }
}

/** A burst of publications, each a request of its own, all of them answered. */
export async function burst() {
  const base = await proxy([url, otherUrl, otherUrl]);
  const transports = [{ transport: 'http_stream', endpoint: `${base}/connection/http_stream` }];
  const alice = client(
    { token: connectionToken({ sub: 'alice' }), emulationEndpoint: `${base}/emulation` }, transports,
  );
  alice.connect();
  await alice.tape.next('connected');
  const subscription = await subscribed(alice, 'chat:burst');
  const numbers = Array.from({ length: 500 }, (_, number) => number);
  await Promise.all(numbers.map((number) => subscription.publish(encode(number))));
  const received = [];
  while (received.length < numbers.length) received.push(decode((await subscription.tape.next('publication')).data));
  assert.deepEqual(received.sort((a, b) => a - b), numbers);
  assert.equal(alice.tape.count('connected'), 1, `${alice.tape}`);
}
