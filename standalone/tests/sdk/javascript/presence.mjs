/**
 * Who is in a channel, in namespaces with presence: `seen:`, and in `told:` everybody hears of joins and leaves, and in `calm:`
 * of leaves only when nobody came back within a second.
 */

import assert from 'node:assert/strict';

import {
  connected, connectionToken, decode, encode, failure, otherUrl, say, subscribe, subscribed, told, within,
} from './stage.mjs';

const pause = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds));

/** Waits until so many clients are in the channel. */
async function until(subscription, count) {
  let last;
  const reached = async () => {
    do {
      last = (await subscription.presenceStats()).numClients;
      if (last !== count) await pause(10);
    } while (last !== count);
  };
  await within(reached(), `${count} clients`, () => `there are ${last}`);
}

/** Two clients of two gateways see each other, and themselves at once. */
export async function presence() {
  const token = connectionToken({ sub: 'alice', info: { name: 'Alice' } });
  const [alice, bob] = [await connected('alice', { token }), await connected('bob', {}, otherUrl)];
  assert.equal((await failure(alice.presence('seen:room'))).code, 103);
  assert.equal((await failure(alice.presenceStats('nowhere:room'))).code, 102);
  assert.equal((await failure((await subscribed(alice, 'chat:room')).presence())).code, 108);

  const hers = await subscribed(alice, 'seen:room');
  const { clients } = await hers.presence();
  const [[id, info]] = Object.entries(clients);
  assert.deepEqual([info.user, info.client, decode(info.connInfo)], ['alice', id, { name: 'Alice' }]);
  assert.equal(Object.keys(clients).length, 1);

  const his = await subscribed(bob, 'seen:room');
  const again = await connected('bob', {}, otherUrl);
  await subscribed(again, 'seen:room');
  await until(hers, 3);
  for (const subscription of [hers, his]) {
    const users = Object.values((await subscription.presence()).clients).map((it) => it.user);
    assert.deepEqual(users.sort(), ['alice', 'bob', 'bob']);
    assert.deepEqual(await subscription.presenceStats(), { numClients: 3, numUsers: 2 });
  }
  his.unsubscribe();
  await until(hers, 2);
  again.disconnect();
  await until(hers, 1);
  assert.equal(hers.tape.count('join') + hers.tape.count('leave'), 0, 'she did not ask for them');
}

/** Clients come and go in a loop. Each sees itself, and in the end the number is right. */
export async function presence_loop() {
  const clients = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((number) => connected(`user-${number}`, {}, number % 2 ? otherUrl : undefined)),
  );
  const watcher = await connected('watcher', {}, otherUrl);
  const watched = await subscribed(watcher, 'seen:loop');
  for (let round = 0; round < 3; round += 1) {
    const subscriptions = await Promise.all(clients.map(async (owner, index) => {
      const subscription = round === 0 ? subscribe(owner, 'seen:loop') : owner.getSubscription('seen:loop');
      if (round === 0) await subscription.tape.next('subscribed');
      for (let turn = 0; turn < 25; turn += 1) {
        if (turn + round > 0) {
          subscription.subscribe();
          await subscription.ready();
        }
        const { clients: present } = await subscription.presence();
        const users = Object.values(present).map((it) => it.user);
        assert.ok(users.includes(`user-${index + 1}`), `turn ${turn} of user-${index + 1}: ${users}`);
        if (turn < 24 || round !== 1) subscription.unsubscribe();
      }
      return subscription;
    }));
    // In the second round all of them stay.
    await until(watched, round === 1 ? 7 : 1);
    subscriptions.forEach((it) => it.unsubscribe());
    await until(watched, 1);
  }
}

/** Who asks for joins and leaves, or is told of them anyway, hears those of every gateway, in order. */
export async function joins_and_leaves() {
  const [alice, bob] = [await connected('alice'), await connected('bob', {}, otherUrl)];
  for (const [channel, options] of [['seen:events', { joinLeave: true }], ['told:events', {}]]) {
    const hers = await subscribed(alice, channel, options);
    const own = await hers.tape.next('join');
    assert.equal(own.info.user, 'alice', 'her own join comes first');
    for (let round = 0; round < 3; round += 1) {
      const his = round === 0 ? await subscribed(bob, channel) : bob.getSubscription(channel);
      his.subscribe();
      await his.ready();
      const { info } = await hers.tape.next('join');
      assert.equal(info.user, 'bob');
      his.unsubscribe();
      assert.deepEqual((await hers.tape.next('leave')).info, info);
      if (channel.startsWith('seen:')) assert.equal(his.tape?.count('join') ?? 0, 0, 'he did not ask');
    }
    assert.deepEqual([hers.tape.count('join'), hers.tape.count('leave')], [4, 3]);
  }
}

/** Who comes back soon was never away for others, whatever the gateway. */
export async function joins_and_leaves_debounced() {
  const alice = await connected('alice');
  const hers = await subscribed(alice, 'calm:room', { joinLeave: true });
  await hers.tape.next('join');
  const bob = await connected('bob', {}, otherUrl);
  await subscribed(bob, 'calm:room');
  await hers.tape.next('join');
  for (let round = 0; round < 3; round += 1) {
    await until(hers, 2);
    bob.disconnect();
    await until(hers, 1);
    bob.connect();
    await bob.getSubscription('calm:room').ready();
  }
  const elsewhere = await connected('bob');
  await until(hers, 2);
  bob.disconnect();
  await until(hers, 1);
  await subscribed(elsewhere, 'calm:room');
  elsewhere.disconnect();
  assert.equal((await hers.tape.next('leave')).info.user, 'bob');
  assert.deepEqual([hers.tape.count('join'), hers.tape.count('leave')], [2, 1]);
}

/** Those of a gateway that is killed leave once, and are not there any more. */
export async function presence_after_a_kill() {
  const alice = await connected('alice');
  const hers = await subscribed(alice, 'told:kill');
  await hers.tape.next('join');
  for (const user of ['bob', 'carol']) {
    const owner = await connected(user, { minReconnectDelay: 60_000, maxReconnectDelay: 60_000 }, otherUrl);
    await subscribed(owner, 'told:kill');
    await hers.tape.next('join');
  }
  await until(hers, 3);
  say('ready');
  await told('killed');
  const left = [await hers.tape.next('leave'), await hers.tape.next('leave')];
  assert.deepEqual(left.map((it) => it.info.user).sort(), ['bob', 'carol']);
  await until(hers, 1);
  say('left');
  // Long enough for a second replica to tell the same.
  await told('end');
  assert.deepEqual([hers.tape.count('join'), hers.tape.count('leave')], [3, 2]);
}

/** Those of a gateway that was only slow leave, and join again, once each; but not for who is on that gateway too. */
export async function presence_after_a_stall() {
  const alice = await connected('alice');
  const hers = await subscribed(alice, 'told:stall');
  await hers.tape.next('join');
  const calm = await subscribed(alice, 'calm:stall', { joinLeave: true });
  await calm.tape.next('join');
  const far = [];
  for (const user of ['bob', 'carol']) {
    const owner = await connected(user, {}, otherUrl);
    far.push(await subscribed(owner, 'told:stall'));
    await hers.tape.next('join');
    await subscribed(owner, 'calm:stall');
    await calm.tape.next('join');
  }
  await until(hers, 3);
  say('ready');
  await told('frozen');
  const left = [await hers.tape.next('leave'), await hers.tape.next('leave')];
  assert.deepEqual(left.map((it) => it.info.user).sort(), ['bob', 'carol']);
  say('left');
  await told('thawed');
  const joined = [await hers.tape.next('join'), await hers.tape.next('join')];
  const infos = (list) => list.map((it) => it.info).sort((one, other) => (one.user < other.user ? -1 : 1));
  assert.deepEqual(infos(joined), infos(left));
  await until(hers, 3);
  say('back');
  // Long enough for a second replica to say the same.
  await told('end');
  assert.deepEqual([hers.tape.count('join'), hers.tape.count('leave')], [5, 2]);
  assert.equal(calm.tape.count('join') - calm.tape.count('leave'), 3);
  // Bob heard of himself and of Carol, and Carol of herself, and nobody of leaves.
  assert.deepEqual(far.map((it) => [it.tape.count('join'), it.tape.count('leave')]), [[2, 0], [1, 0]]);
}

/** Without a presence service the answer is temporary, and comes in time; everything else works on. */
export async function presence_without_service() {
  const alice = await connected('alice');
  const hers = await subscribed(alice, 'told:alone');
  assert.equal((await hers.tape.next('join')).info.user, 'alice');
  const error = await failure(hers.presence());
  assert.deepEqual([error.code, error.temporary ?? true], [100, true]);
  await hers.publish(encode('still here'));
  await hers.tape.next('publication');
}

/** What changes while the gateways cannot tell is right once they can. */
export async function presence_after_an_outage() {
  const [alice, bob, carol] = [await connected('alice'), await connected('bob', {}, otherUrl), await connected('carol')];
  const hers = await subscribed(alice, 'seen:outage');
  const his = await subscribed(bob, 'seen:outage');
  await subscribed(carol, 'seen:outage');
  await until(hers, 3);
  say('ready');
  await told('lost');
  assert.equal((await failure(hers.presence())).code, 100);
  his.unsubscribe();
  carol.disconnect();
  say('refused');
  await told('back');
  const right = async () => {
    let users;
    do {
      await pause(20);
      const { clients } = await hers.presence().catch(() => ({ clients: {} }));
      users = Object.values(clients).map((it) => it.user).join();
    } while (users !== 'alice');
  };
  await within(right(), 'only alice is there');
}
