/** Who may connect, and for how long. */

import assert from 'node:assert/strict';

import { RawClient } from './raw.mjs';
import {
  UnauthorizedError, client, connected, connectionToken, decode, encode, inSeconds, subscribe, subscribed,
  subscriptionToken, token, transport, within,
} from './stage.mjs';

const expired = (user) => token({ sub: user, exp: inSeconds(-60) });

/** Without a token, where anonymous users are not welcome: terminal. */
export async function anonymous_refused() {
  const anonymous = client();
  anonymous.connect();
  const { code, reason } = await anonymous.tape.next('disconnected');
  assert.deepEqual([code, reason], [3501, 'bad request']);
  assert.equal(anonymous.tape.count('connected'), 0);
}

/** Tokens that will never be right: terminal. */
export async function bad_token() {
  const wrong = {
    garbage: 'garbage',
    foreign: token({ sub: 'alice' }, 'another secret'),
    unsigned: `${token({ sub: 'alice' }).split('.').slice(0, 2).join('.')}.`,
    forAChannel: subscriptionToken('alice', 'chat:room'),
  };
  for (const [name, bad] of Object.entries(wrong)) {
    const refused = client({ token: bad });
    refused.connect();
    const { code, reason } = await refused.tape.next('disconnected');
    assert.deepEqual([code, reason], [3500, 'invalid token'], name);
  }
}

/** Tokens that were made by the server's command line. */
export async function given_tokens() {
  const { TIDEGATE_TOKEN: given, TIDEGATE_CHANNEL_TOKEN: forChannel } = process.env;
  const alice = await connected('alice', { token: given });
  const subscription = await subscribed(alice, '$chat:room', { token: forChannel });
  await subscription.publish(encode('works'));
  assert.equal((await subscription.tape.next('publication')).info.user, 'alice');
}

/** The application refuses a token: the SDK stops by itself. */
export async function unauthorized() {
  const refuse = async () => { throw new UnauthorizedError('no'); };
  const refused = client({ getToken: refuse });
  refused.connect();
  assert.equal((await refused.tape.next('disconnected')).code, 1);

  const alice = await connected('alice');
  const subscription = subscribe(alice, '$chat:room', { getToken: refuse });
  assert.equal((await subscription.tape.next('unsubscribed')).code, 1);
  assert.equal(alice.tape.count('disconnected'), 0);
}

/** A token whose time is over is replaced by a fresh one, without the application's doing. */
export async function expired_token() {
  let asked = 0;
  const getToken = async () => {
    asked += 1;
    return connectionToken({ sub: 'alice' });
  };
  const alice = client({ token: expired('alice'), getToken });
  // It goes out in the same frame as the connect that is refused.
  const early = subscribe(alice, 'chat:room');
  alice.connect();
  await alice.tape.next('connected');
  assert.equal(asked, 1);
  await early.tape.next('subscribed');
  assert.equal(alice.tape.all('error')[0].error.code, 109);

  const channel = '$chat:room';
  const tokens = [subscriptionToken('alice', channel, { exp: inSeconds(-60) }), subscriptionToken('alice', channel)];
  const subscription = subscribe(alice, channel, { getToken: async () => tokens.shift() });
  await subscription.tape.next('subscribed');
  assert.equal(tokens.length, 0);
  assert.equal(subscription.tape.all('error')[0].error.code, 109);
}

/** A connection outlives its first token, and the application notices nothing. */
export async function refresh() {
  const start = Date.now();
  let asked = 0;
  let refreshed;
  const outlived = new Promise((resolve) => { refreshed = resolve; });
  const getToken = async () => {
    asked += 1;
    // The first token and its grace are over: at most 3 s and 3 s.
    if (Date.now() - start > 6_000) refreshed();
    return token({ sub: 'alice', exp: inSeconds(2), info: { asked } });
  };
  const alice = client({ getToken });
  alice.connect();
  await alice.tape.next('connected');
  const subscription = await subscribed(alice, 'chat:room');
  await outlived;
  await subscription.publish(encode('still here'));
  const { data, info } = await subscription.tape.next('publication');
  assert.equal(decode(data), 'still here');
  // Over streams the publish, a request of its own, may overtake the last refresh.
  assert.ok(decode(info.connInfo).asked >= (transport ? 2 : 3), 'the info comes from the latest token');
  assert.equal(alice.tape.count('connected'), 1);
  assert.equal(alice.tape.count('connecting'), 1);
}

/** Refreshes that the server or the application refuses. */
export async function refresh_refused() {
  const refreshing = async (second) => {
    const tokens = [token({ sub: 'alice', exp: inSeconds(2) }), second];
    const made = client({ getToken: async () => {
      const next = tokens.shift() ?? connectionToken({ sub: 'alice' });
      if (next instanceof Error) throw next;
      return next;
    } });
    made.connect();
    await made.tape.next('connected');
    await made.tape.next('connecting');
    return made;
  };
  const [otherUser, forged, late, refused] = await Promise.all([
    refreshing(connectionToken({ sub: 'bob' })),
    refreshing(token({ sub: 'alice' }, 'another secret')),
    refreshing(expired('alice')),
    refreshing(new UnauthorizedError('no')),
  ]);
  assert.equal((await otherUser.tape.next('disconnected')).code, 3500);
  assert.equal((await forged.tape.next('disconnected')).code, 3500);
  assert.equal((await refused.tape.next('disconnected')).code, 1);
  // An expired connection may come back with a better token.
  assert.equal((await late.tape.next('connecting')).code, 3005);
  await late.tape.next('connected');
}

/** What is not refreshed ends when its grace is over: first a subscription, then its connection. */
export async function lapsed() {
  const raw = await RawClient.open();
  const channel = '$chat:room';
  raw.send([
    { id: 1, connect: { token: token({ sub: 'alice', exp: inSeconds(3) }) } },
    { id: 2, subscribe: { channel, token: subscriptionToken('alice', channel, { exp: inSeconds(1) }) } },
  ]);
  const { connect } = await raw.next();
  assert.equal(connect.expires, true);
  assert.ok([3, 4].includes(connect.ttl), `ttl ${connect.ttl}`);
  const { subscribe: result } = await raw.next();
  assert.equal(result.expires, true);
  assert.ok([1, 2].includes(result.ttl), `ttl ${result.ttl}`);
  const { push } = await raw.next();
  assert.deepEqual([push.channel, push.unsubscribe.code], [channel, 2501]);
  assert.deepEqual(await within(raw.closed, 'the end'), { code: 3005, reason: 'connection expired' });
}
