/** Who may subscribe to what, and what the SDK makes of a refusal. */

import assert from 'node:assert/strict';

import {
  UnauthorizedError, client, connected, connectionToken, decode, encode, failure, inSeconds, subscribe, subscribed,
  subscriptionToken, token,
} from './stage.mjs';

/** Subscriptions that the server refuses: final, with the code. The connection goes on. */
export async function errors() {
  const alice = client({ token: connectionToken({ sub: 'alice', channels: ['news:mine'] }) });
  alice.connect();
  await alice.tape.next('connected');
  const refusals = {
    'nowhere:room': 102, 'closed:room': 103, '$chat:room': 103, 'news:mine': 105, [`chat:${'x'.repeat(251)}`]: 107,
    'chat:gr\u00fc\u00dfe': 107,
  };
  for (const [channel, code] of Object.entries(refusals)) {
    const subscription = subscribe(alice, channel);
    assert.equal((await subscription.tape.next('unsubscribed')).code, code, channel);
  }
  await subscribed(alice, `chat:${'x'.repeat(250)}`);

  const room = await subscribed(alice, 'chat:room');
  const failures = {
    rpc: [alice.rpc('method', encode({})), 108],
    history: [alice.history('chat:room', { limit: 1 }), 108],
    presence: [alice.presence('chat:room'), 108],
    presenceStats: [alice.presenceStats('chat:room'), 108],
    historyOfSubscription: [room.history({ limit: 1 }), 108],
    historyOfNowhere: [alice.history('nowhere:room', { limit: 1 }), 102],
    publishNowhere: [alice.publish('nowhere:room', encode(1)), 102],
    publishForbidden: [alice.publish('news:mine', encode(1)), 103],
  };
  const codes = Object.entries(failures).map(async ([name, [promise, code]]) => {
    assert.equal((await failure(promise)).code, code, name);
  });
  await Promise.all(codes);
  await room.publish(encode('works'));
  assert.equal(decode((await room.tape.next('publication')).data), 'works');
  assert.equal(alice.tape.count('connecting'), 1);
}

/** A private channel asks for a token, which brings data, and info for others. */
export async function private_channel() {
  const channel = '$chat:room';
  const [alice, bob] = [await connected('alice'), await connected('bob')];
  assert.equal((await subscribe(bob, channel).tape.next('unsubscribed')).code, 103);

  const claims = { data: { welcome: true }, info: { seat: 7 } };
  const subscription = subscribe(alice, channel, { token: subscriptionToken('alice', channel, claims) });
  const context = await subscription.tape.next('subscribed');
  assert.deepEqual(decode(context.data), { welcome: true });
  await subscription.publish(encode('secret'));
  const { info } = await subscription.tape.next('publication');
  assert.deepEqual(decode(info.chanInfo), { seat: 7 });

  const forged = token({ sub: 'bob', channel: '$chat:forged' }, 'another secret');
  assert.equal((await subscribe(bob, '$chat:forged', { token: forged }).tape.next('unsubscribed')).code, 103);
}

/** A subscription token for something else ends the connection for good. */
export async function private_channel_of_others() {
  const channel = '$chat:room';
  const wrong = [
    () => subscriptionToken('alice', '$chat:other'),
    () => subscriptionToken('bob', channel),
    () => subscriptionToken('alice', channel, { client: 'another connection' }),
  ];
  for (const [index, make] of wrong.entries()) {
    const alice = await connected('alice');
    subscribe(alice, channel, { token: make() });
    assert.equal((await alice.tape.next('disconnected')).code, 3500, `token ${index}`);
  }
}

/** A subscription outlives its first token. */
export async function subscription_refresh() {
  const channel = '$chat:room';
  const start = Date.now();
  let refreshed;
  const outlived = new Promise((resolve) => { refreshed = resolve; });
  const getToken = async (context) => {
    assert.equal(context.channel, channel);
    if (Date.now() - start > 6_000) refreshed();
    return subscriptionToken('alice', channel, { exp: inSeconds(2) });
  };
  const alice = await connected('alice');
  const subscription = await subscribed(alice, channel, { getToken });
  await outlived;
  await subscription.publish(encode('still here'));
  assert.equal(decode((await subscription.tape.next('publication')).data), 'still here');
  assert.equal(subscription.tape.count('subscribed'), 1);
  assert.equal(subscription.tape.count('subscribing'), 1);
}

/** Subscription refreshes that the application or the server refuses. */
export async function subscription_refresh_refused() {
  const channel = '$chat:room';
  const refreshing = async (second) => {
    const tokens = [subscriptionToken('alice', channel, { exp: inSeconds(2) }), second];
    const alice = await connected('alice');
    const getToken = async () => {
      const next = tokens.shift();
      if (next instanceof Error) throw next;
      return next;
    };
    return [alice, await subscribed(alice, channel, { getToken })];
  };
  const [[calm, refused], [gone]] = await Promise.all([
    refreshing(new UnauthorizedError('no')),
    refreshing(subscriptionToken('alice', '$chat:other')),
  ]);
  assert.equal((await refused.tape.next('unsubscribed')).code, 1);
  assert.equal(calm.tape.count('disconnected'), 0);
  assert.equal((await gone.tape.next('disconnected')).code, 3500);
}

/** Subscriptions that the server makes: by the token, and each user's own channel. */
export async function server_side() {
  const subs = { 'news:second': { data: { welcome: true } } };
  const alice = client({ token: connectionToken({ sub: 'alice', channels: ['chat:first'], subs }) });
  alice.connect();
  await alice.tape.next('connected');
  const contexts = await take(alice, 'subscribed', 3);
  assert.deepEqual(channelsOf(contexts), ['chat:first', 'news:second', 'personal:#alice']);
  assert.deepEqual(decode(contexts.find((it) => it.channel === 'news:second').data), { welcome: true });

  const bob = await connected('bob');
  await alice.publish('chat:first', encode('mine'));
  const { channel, data, info } = await alice.tape.next('publication');
  assert.deepEqual([channel, decode(data), info.user], ['chat:first', 'mine', 'alice']);
  await bob.publish('personal:#alice', encode('for you'));
  const personal = await alice.tape.next('publication');
  assert.deepEqual([personal.channel, decode(personal.data), personal.info.user], ['personal:#alice', 'for you', 'bob']);

  alice.disconnect();
  await alice.tape.next('disconnected');
  alice.setToken(connectionToken({ sub: 'alice', channels: ['chat:third'] }));
  alice.connect();
  assert.deepEqual(channelsOf(await take(alice, 'subscribed', 2)), ['chat:third', 'personal:#alice']);
  assert.deepEqual(channelsOf(await take(alice, 'unsubscribed', 2)), ['chat:first', 'news:second']);
  await bob.publish('personal:#alice', encode('again'));
  assert.equal(decode((await alice.tape.next('publication')).data), 'again');
}

async function take(owner, name, count) {
  const contexts = [];
  while (contexts.length < count) contexts.push(await owner.tape.next(name));
  return contexts;
}

function channelsOf(contexts) {
  return contexts.map((context) => context.channel).sort();
}

/** A user who does too much on two connections is told so, and comes to all of it in time; others notice nothing. */
export async function rate_limited() {
  const both = [await connected('alice'), await connected('alice')];
  const often = { minResubscribeDelay: 50, maxResubscribeDelay: 200 };
  const rooms = Array.from({ length: 10 }, (_, number) => subscribe(both[number % 2], `chat:${number}`, often));
  for (const room of rooms) await room.tape.next('subscribed');
  const refused = rooms.flatMap((room) => room.tape.all('error'));
  assert.ok(refused.length > 0);
  for (const { error } of refused) assert.equal(error.code, 111);

  const heard = await subscribed(await connected('bob'), 'chat:0');
  assert.equal(heard.tape.count('error'), 0);
  const publishing = Array.from({ length: 10 }, (_, number) => rooms[number % 2].publish(encode('at once')));
  const failed = (await Promise.allSettled(publishing)).filter(({ status }) => status === 'rejected');
  assert.ok(failed.length > 0);
  for (const { reason } of failed) assert.equal(reason.code, 111);
  const isPublished = () => rooms[0].publish(encode('later')).then(() => true, ({ code }) => assert.equal(code, 111));
  while (!(await isPublished()));
  let last;
  while (last !== 'later') last = decode((await heard.tape.next('publication')).data);
}
