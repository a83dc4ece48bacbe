/** Clients that come back, in channels whose publications are kept: `kept:` many of them, `short:` five, `newest:` many, of
 * which a client that comes back is given the newest. */

import assert from 'node:assert/strict';

import { connected, decode, encode, failure, otherUrl, say, subscribe, subscribed, told } from './stage.mjs';

const recoverable = { positioned: true, recoverable: true };

/** A document that differs from the next one in a few places, characters of several bytes among them. */
const document = (number) => ({
  number,
  text: `Grüße an ${number} Gäste: ${'日本 💧 é '.repeat(20)}${String.fromCodePoint(0x1F300 + number)}`,
});

async function publish(owner, channel, numbers) {
  for (const number of numbers) await owner.publish(channel, encode(document(number)));
}

async function hear(subscription, numbers) {
  for (const number of numbers) {
    const { data } = await subscription.tape.next('publication');
    assert.deepEqual(decode(data), document(number));
  }
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

async function comesBack(channel, options, missed) {
  const [alice, bob] = [await connected('alice'), await connected('bob', {}, otherUrl)];
  const subscription = subscribe(alice, channel, options);
  const first = await subscription.tape.next('subscribed');
  assert.equal(first.positioned, true);
  assert.equal(first.recoverable, true);
  await publish(bob, channel, range(1, 3));
  await hear(subscription, range(1, 3));
  alice.disconnect();
  await alice.tape.next('disconnected');
  await publish(bob, channel, range(4, 3 + missed));
  alice.connect();
  const again = await subscription.tape.next('subscribed');
  assert.equal(again.wasRecovering, true);
  return { bob, subscription, recovered: again.recovered };
}

/** What was missed comes in order, once, and then what is published next. */
async function recovers(channel, options) {
  const { bob, subscription, recovered } = await comesBack(channel, options, 20);
  assert.equal(recovered, true);
  await publish(bob, channel, range(24, 30));
  await hear(subscription, range(4, 30));
  assert.equal(subscription.tape.count('publication'), 30);
  assert.equal(subscription.tape.count('error'), 0);
}

export async function recovery() {
  await recovers('kept:recovery', recoverable);
}

export async function recovery_of_deltas() {
  await recovers('kept:deltas', { ...recoverable, delta: 'fossil' });
}

/** A subscriber that comes later joins a row of patches with a whole publication. */
export async function deltas() {
  const options = { ...recoverable, delta: 'fossil' };
  const [alice, bob] = [await connected('alice'), await connected('bob', {}, otherUrl)];
  const early = await subscribed(alice, 'kept:patches', options);
  await publish(bob, 'kept:patches', range(1, 5));
  await hear(early, range(1, 5));
  const late = await subscribed(bob, 'kept:patches', options);
  await publish(bob, 'kept:patches', range(6, 10));
  await hear(early, range(6, 10));
  await hear(late, range(6, 10));
}

/** What is not kept any more: the client is told, and goes on with what comes. */
export async function recovery_of_too_much() {
  const { bob, subscription, recovered } = await comesBack('short:recovery', recoverable, 20);
  assert.equal(recovered, false);
  await publish(bob, 'short:recovery', [24]);
  await hear(subscription, [24]);
  assert.equal(subscription.tape.count('publication'), 4);
}

/** Of what was missed the newest comes alone; with nothing missed nothing does; the first time there is the newest at once. */
export async function recovery_of_the_newest() {
  const { bob, subscription, recovered } = await comesBack('newest:recovery', recoverable, 20);
  assert.equal(recovered, true);
  await hear(subscription, [23]);
  const carol = await connected('carol');
  const first = subscribe(carol, 'newest:recovery', { ...recoverable, since: { offset: 0, epoch: '' } });
  assert.equal((await first.tape.next('subscribed')).recovered, true);
  await hear(first, [23]);
  carol.disconnect();
  await carol.tape.next('disconnected');
  carol.connect();
  assert.equal((await first.tape.next('subscribed')).recovered, true);
  await publish(bob, 'newest:recovery', [24]);
  await hear(first, [24]);
  await hear(subscription, [24]);
  assert.equal(subscription.tape.count('publication'), 5);
  assert.equal(first.tape.count('publication'), 2);
}

/** Publications that were confirmed outlive the gateway, and so do positions. */
export async function recovery_after_a_kill() {
  const [alice, bob] = [await connected('alice'), await connected('bob')];
  const subscription = await subscribed(alice, 'kept:kill', recoverable);
  await publish(bob, 'kept:kill', range(1, 3));
  await hear(subscription, range(1, 3));
  alice.disconnect();
  await publish(bob, 'kept:kill', range(4, 10));
  say('ready');
  await told('back');
  alice.connect();
  const again = await subscription.tape.next('subscribed');
  assert.equal(again.recovered, true);
  await hear(subscription, range(4, 10));
  assert.equal(subscription.tape.count('publication'), 10);
}

/** Pages of a history. */
export async function history() {
  const alice = await connected('alice');
  const subscription = await subscribed(alice, 'kept:history', recoverable);
  await publish(alice, 'kept:history', range(1, 5));
  const numbers = ({ publications }) => publications.map(({ data }) => decode(data).number);
  const first = await subscription.history({ limit: 2 });
  assert.deepEqual(numbers(first), [1, 2]);
  const since = { epoch: first.epoch, offset: first.publications[1].offset };
  assert.deepEqual(numbers(await subscription.history({ limit: 10, since })), [3, 4, 5]);
  assert.deepEqual(numbers(await subscription.history({ limit: 2, reverse: true })), [5, 4]);
  assert.deepEqual(numbers(await subscription.history({ limit: 10, since, reverse: true })), [1]);
  const { publications, offset } = await subscription.history({ limit: 0 });
  assert.deepEqual(publications, []);
  assert.equal(offset, (await subscription.history({ limit: 5 })).publications[4].offset);
  const elsewhere = subscription.history({ limit: 1, since: { epoch: 'other', offset: 1 } });
  assert.equal((await failure(elsewhere)).code, 112);
}

/** Some of what was missed, what one client had last, and what another had last of all, is removed meanwhile. */
export async function redaction() {
  const channel = 'kept:redaction';
  const bob = await connected('bob', {}, otherUrl);
  const comers = {};
  for (const user of ['alice', 'carol', 'dave']) comers[user] = await connected(user);
  const { alice, carol, dave } = comers;
  const [early, deltas, late] = [
    await subscribed(alice, channel, recoverable),
    await subscribed(carol, channel, { ...recoverable, delta: 'fossil' }),
    await subscribed(dave, channel, recoverable),
  ];
  await publish(bob, channel, range(1, 3));
  await hear(early, range(1, 3));
  await hear(deltas, range(1, 3));
  alice.disconnect();
  carol.disconnect();
  await publish(bob, channel, range(4, 8));
  await hear(late, range(1, 8));
  dave.disconnect();
  const { publications } = await (await subscribed(bob, channel)).history({ limit: 10 });
  const offsetOf = (number) => publications.find(({ data }) => decode(data).number === number).offset;
  say([3, 5, 8].map(offsetOf).join(' '));
  await told('removed');
  const heard = { alice: [early, [4, 6, 7, 9]], carol: [deltas, [4, 6, 7, 9]], dave: [late, [9]] };
  for (const [user, [subscription]] of Object.entries(heard)) {
    comers[user].connect();
    assert.equal((await subscription.tape.next('subscribed')).recovered, true, user);
  }
  await publish(bob, channel, [9]);
  for (const [subscription, numbers] of Object.values(heard)) await hear(subscription, numbers);
  const left = await early.history({ limit: 10 });
  assert.deepEqual(left.publications.map(({ data }) => decode(data).number), [1, 2, 4, 6, 7, 9]);
}

/** Comes back later than the stream keeps; each part of what is missed is archived before it goes. */
async function comesBackLate() {
  const channel = 'short:archive';
  const [alice, bob] = [await connected('alice'), await connected('bob', {}, otherUrl)];
  const subscription = await subscribed(alice, channel, recoverable);
  for (let number = 1; number <= 21; number += 3) {
    await publish(bob, channel, range(number, number + 2));
    if (number === 1) {
      await hear(subscription, range(1, 3));
      alice.disconnect();
    }
    say(`${number + 2}`);
    await told('archived');
  }
  alice.connect();
  const { recovered } = await subscription.tape.next('subscribed');
  return { alice, bob, channel, subscription, recovered };
}

const numbersOf = ({ publications }) => publications.map(({ data }) => decode(data).number);

export async function archived() {
  const { bob, channel, subscription, recovered } = await comesBackLate();
  assert.equal(recovered, true);
  await publish(bob, channel, [22]);
  await hear(subscription, range(4, 22));
  assert.equal(subscription.tape.count('publication'), 22);
  assert.deepEqual(numbersOf(await subscription.history({ limit: 100 })), range(1, 22));
  assert.deepEqual(numbersOf(await subscription.history({ limit: 12, reverse: true })), range(11, 22).reverse());
}

/** Nobody archives any more: as if nobody ever had, at once. */
export async function archived_in_vain() {
  const { bob, channel, subscription, recovered } = await comesBackLate();
  assert.equal(recovered, false);
  await publish(bob, channel, [22]);
  await hear(subscription, [22]);
  const left = numbersOf(await subscription.history({ limit: 100 }));
  assert.deepEqual(left, range(23 - left.length, 22));
  assert.ok(left.length < 10, `${left}`);
}
