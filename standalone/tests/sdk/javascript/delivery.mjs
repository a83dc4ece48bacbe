/** What is published reaches everybody who subscribed, once and in order. */

import assert from 'node:assert/strict';

import { client, connected, connectionToken, decode, encode, otherUrl, say, subscribe, subscribed, told } from './stage.mjs';
import { RawClient } from './raw.mjs';

/** One publishes; both receive, and see who it was. */
export async function publish() {
  const info = { name: 'Alice' };
  const alice = await connected('alice', { token: connectionToken({ sub: 'alice', info }) });
  const bob = await connected('bob', {}, otherUrl);
  const near = await subscribed(alice, 'chat:room');
  const far = await subscribed(bob, 'chat:room');
  await near.publish(encode({ text: 'gr\u00fc\u00dfe\n"\u2028' }));
  const [{ client: id }] = alice.tape.all('connected');
  for (const subscription of [near, far]) {
    const publication = await subscription.tape.next('publication');
    assert.equal(publication.channel, 'chat:room');
    assert.deepEqual(decode(publication.data), { text: 'gr\u00fc\u00dfe\n"\u2028' });
    assert.deepEqual([publication.info.user, publication.info.client], ['alice', id]);
    assert.deepEqual(decode(publication.info.connInfo), info);
  }

  // After unsubscribing nothing comes any more: commands keep their order, and so do publications.
  const other = await subscribed(bob, 'chat:other');
  far.unsubscribe();
  await bob.publish('chat:other', encode('unsubscribed'));
  await near.publish(encode('unheard'));
  await bob.publish('chat:other', encode('last'));
  for (const expected of ['unsubscribed', 'last']) {
    assert.equal(decode((await other.tape.next('publication')).data), expected);
  }
  assert.equal(decode((await near.tape.next('publication')).data), 'unheard');
  assert.equal(far.tape.count('publication'), 1);
}

/** 1,000 publications of one client reach two others in order, exactly once. */
export async function order() {
  const [alice, bob, carol] =
    [await connected('alice'), await connected('bob', {}, otherUrl), await connected('carol')];
  const subscriptions = [await subscribed(bob, 'chat:room'), await subscribed(carol, 'chat:room')];
  const expected = Array.from({ length: 1_000 }, (_, number) => number);
  await Promise.all(expected.map((number) => alice.publish('chat:room', encode(number))));
  await alice.publish('chat:room', encode('end'));
  for (const { tape } of subscriptions) {
    while (decode((await tape.next('publication')).data) !== 'end');
    assert.deepEqual(tape.all('publication').map(({ data }) => decode(data)), [...expected, 'end']);
  }
}

/** 100 subscriptions go out with the connect command; 128 are allowed. */
export async function many_subscriptions() {
  const alice = client({ token: connectionToken({ sub: 'alice' }) });
  const burst = Array.from({ length: 100 }, (_, number) => subscribe(alice, `chat:${number}`));
  alice.connect();
  for (const { tape } of burst) await tape.next('subscribed');
  // The personal channel is one of the 128.
  for (let number = 100; number < 127; number += 1) await subscribed(alice, `chat:${number}`);
  const { tape } = subscribe(alice, 'chat:127');
  assert.equal((await tape.next('unsubscribed')).code, 106);

  burst[0].unsubscribe();
  await subscribed(alice, 'chat:128');
  await burst[99].publish(encode('works'));
  assert.equal(decode((await burst[99].tape.next('publication')).data), 'works');
  assert.equal(alice.tape.count('connecting'), 1);
}

/** Subscribing and unsubscribing 200 times on five connections at once leaves everything as it should be. */
export async function subscribe_loop() {
  const users = ['alice', 'bob', 'carol', 'dave', 'erin'];
  const owners = await Promise.all(users.map((user, index) => connected(user, {}, index % 2 ? otherUrl : undefined)));
  const subscriptions = await Promise.all(owners.map(async (owner) => {
    const subscription = await subscribed(owner, 'chat:loop');
    for (let round = 0; round < 200; round += 1) {
      subscription.unsubscribe();
      subscription.subscribe();
      await subscription.tape.next('subscribed');
    }
    return subscription;
  }));
  await subscriptions[0].publish(encode('after'));
  for (const { tape } of subscriptions) assert.equal(decode((await tape.next('publication')).data), 'after');
  await subscriptions[0].publish(encode('end'));
  for (const { tape } of subscriptions) assert.equal(decode((await tape.next('publication')).data), 'end');
  for (const { tape } of subscriptions) assert.equal(tape.count('publication'), 2);
  for (const { tape } of owners) assert.equal(tape.count('connecting'), 1);
}

/** A frame with a connect and 50 subscribes is answered in its order. */
export async function batch() {
  const raw = await RawClient.open();
  const connect = { id: 1, connect: { token: connectionToken({ sub: 'alice' }) } };
  const subscribes = Array.from({ length: 50 }, (_, number) => ({ id: number + 2, subscribe: { channel: `chat:${number}` } }));
  raw.send([connect, ...subscribes]);
  const replies = [];
  while (replies.length < 51) replies.push(await raw.next());
  assert.deepEqual(replies.map(({ id }) => id), Array.from({ length: 51 }, (_, number) => number + 1));
  assert.ok(replies[0].connect.client);
  for (const reply of replies.slice(1)) assert.ok(reply.subscribe && !reply.error, JSON.stringify(reply));
  raw.close();
}

/** Says every publication of `chat:room`, in base64, until it is told to stop. The connection must never break. */
export async function listen() {
  const listener = await connected('listener');
  const subscription = await subscribed(listener, 'chat:room');
  subscription.on('publication', ({ data }) => {
    const bytes = data instanceof Uint8Array ? data : JSON.stringify(data);
    say(Buffer.from(bytes).toString('base64'));
  });
  say('listening');
  await told('stop');
  assert.equal(listener.tape.count('connecting'), 1);
  assert.equal(subscription.tape.count('subscribing'), 1);
}

/** Publishes the numbers below 1,000, then `end`, to `chat:room`. */
export async function speak() {
  const speaker = await connected('speaker');
  const numbers = Array.from({ length: 1_000 }, (_, number) => number);
  await Promise.all(numbers.map((number) => speaker.publish('chat:room', encode(number))));
  await speaker.publish('chat:room', encode('end'));
}
