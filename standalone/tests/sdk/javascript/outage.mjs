/** Servers that go away. The test outside ends them, and starts them again, when it is told. */

import assert from 'node:assert/strict';

import { connected, decode, encode, failure, otherUrl, say, subscribed, told } from './stage.mjs';

/** The gateway is killed and comes back: so do the client and its subscriptions. */
export async function killed() {
  await comesBack((code) => assert.equal(code, 1));
}

/** The gateway is stopped: the client is told, and comes back. */
export async function stopped() {
  await comesBack((code) => assert.equal(code, 3001));
}

async function comesBack(checkCode) {
  const alice = await connected('alice');
  const subscriptions = [await subscribed(alice, 'chat:room'), await subscribed(alice, 'chat:other')];
  await alice.tape.next('connecting');
  say('ready');
  const { code } = await alice.tape.next('connecting');
  checkCode(code);
  await alice.tape.next('connected');
  for (const subscription of subscriptions) {
    await subscription.tape.next('subscribed');
    await subscription.publish(encode(subscription.channel));
    assert.equal(decode((await subscription.tape.next('publication')).data), subscription.channel);
    assert.equal(subscription.tape.count('unsubscribed'), 0);
  }
  assert.equal(alice.tape.count('connected'), 2);
}

/** NATS goes away and comes back: clients stay, and know whether a publication was taken. */
export async function backbone_lost() {
  const [alice, bob] = [await connected('alice'), await connected('bob', {}, otherUrl)];
  const subscriptions = [await subscribed(alice, 'chat:room'), await subscribed(bob, 'chat:room')];
  say('ready');
  await told('lost');
  const start = Date.now();
  assert.equal((await failure(subscriptions[0].publish(encode('lost')))).code, 100);
  assert.ok(Date.now() - start < 5_000, `it took ${Date.now() - start} ms`);
  say('refused');
  await told('back');
  // Accepted only after NATS has read the subscriptions of that gateway.
  await bob.publish('chat:other', encode('barrier'));
  await subscriptions[0].publish(encode('back'));
  for (const { tape } of subscriptions) assert.equal(decode((await tape.next('publication')).data), 'back');
  for (const { tape } of [alice, bob]) assert.equal(tape.count('connecting'), 1);
}
