/** Pings and pongs. */

import assert from 'node:assert/strict';

import { WebSocket, client, connectionToken, decode, encode, format, subscribed, within } from './stage.mjs';

const isEmpty = (frame) => Buffer.from(frame).toString() === (format === 'protobuf' ? '\0' : '{}');

/** The connection lives as long as pings are answered. */
export async function heartbeat() {
  let pings = 0;
  let enough;
  const several = new Promise((resolve) => { enough = resolve; });
  class Counting extends WebSocket {
    constructor(...args) {
      super(...args);
      this.on('message', (frame) => {
        if (isEmpty(frame) && (pings += 1) === 4) enough();
      });
    }
  }
  const alice = client({ token: connectionToken({ sub: 'alice' }), websocket: Counting, maxServerPingDelay: 5_000 });
  alice.connect();
  await alice.tape.next('connected');
  const subscription = await subscribed(alice, 'chat:room');
  await within(several, 'four pings', () => `${pings} came`);
  await subscription.publish(encode('alive'));
  assert.equal(decode((await subscription.tape.next('publication')).data), 'alive');
  assert.equal(alice.tape.count('connecting'), 1);
}

/** A client that answers no ping is told so, and comes back. */
export async function no_pong() {
  class Silent extends WebSocket {
    send(frame, ...rest) {
      if (!isEmpty(frame)) super.send(frame, ...rest);
    }
  }
  const alice = client({ token: connectionToken({ sub: 'alice' }), websocket: Silent });
  alice.connect();
  await alice.tape.next('connected');
  await alice.tape.next('connecting');
  const { code, reason } = await alice.tape.next('connecting');
  assert.deepEqual([code, reason], [3012, 'no pong']);
  await alice.tape.next('connected');
}
