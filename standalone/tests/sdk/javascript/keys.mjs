/** Tokens by keys that their issuer publishes, and users and tokens that are kept out. */

import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer } from 'node:http';

import {
  DEADLINE, client, connected, connectionToken, decode, encode, inSeconds, otherUrl, subscribed, url,
} from './stage.mjs';

const base64 = (data) => Buffer.from(data).toString('base64url');

/** A key with an id, and what signs with it. */
function signer(kid, alg, type, options, hash) {
  const { publicKey, privateKey } = generateKeyPairSync(type, options);
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
  const token = (claims) => {
    const signed = [{ alg, kid }, claims].map((part) => base64(JSON.stringify(part))).join('.');
    const signature = sign(hash, Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${base64(signature)}`;
  };
  return { jwk, token };
}

const signers = (year) => [
  signer(`rsa-${year}`, 'RS256', 'rsa', { modulusLength: 2048 }, 'sha256'),
  signer(`p256-${year}`, 'ES256', 'ec', { namedCurve: 'P-256' }, 'sha256'),
  signer(`p521-${year}`, 'ES512', 'ec', { namedCurve: 'P-521' }, 'sha512'),
  signer(`ed25519-${year}`, 'EdDSA', 'ed25519', {}, null),
];

/** Somebody with tokens of this making connects, subscribes, publishes and hears. */
async function works(token) {
  const user = await connected('alice', { token: token({ sub: 'alice', exp: inSeconds(60) }) });
  const subscription = await subscribed(user, '$chat:room', { token: token({ sub: 'alice', channel: '$chat:room' }) });
  await subscription.publish(encode('works'));
  assert.equal(decode((await subscription.tape.next('publication')).data), 'works');
  user.disconnect();
}

/** Keys that the issuer publishes later than the gateway starts, and rotates. */
export async function published_keys() {
  let keys = [];
  const issuer = createServer((_, response) => response.end(JSON.stringify({ keys })));
  const [old, recent] = [signers(2025), signers(2026)];
  const waiting = client({ token: old[0].token({ sub: 'early' }), maxReconnectDelay: 100 });
  waiting.connect();
  await waiting.tape.next('error');
  await new Promise((resolve) => { issuer.listen(Number(process.env.TIDEGATE_ISSUER_PORT), '127.0.0.1', resolve); });
  keys = old.map(({ jwk }) => jwk);
  await waiting.tape.next('connected');
  for (const { token } of old) await works(token);
  keys = recent.map(({ jwk }) => jwk);
  for (const { token } of recent) await works(token);
  for (const { token } of old) {
    const refused = client({ token: token({ sub: 'alice' }) });
    refused.connect();
    const { code, reason } = await refused.tape.next('disconnected');
    assert.deepEqual([code, reason], [3500, 'invalid token']);
  }
  issuer.close();
}

/** What the server API is asked on one gateway. */
async function api(method, body) {
  const address = new URL(`/api/${method}`, url.replace(/^ws/, 'http'));
  const headers = { 'X-API-Key': process.env.TIDEGATE_SECRET };
  const signal = AbortSignal.timeout(DEADLINE);
  const answer = await fetch(address, { method: 'POST', headers, body: JSON.stringify(body), signal });
  assert.deepEqual(await answer.json(), { result: {} });
}

/** Blocked on one gateway, gone from the other, for good. */
export async function kept_out() {
  const options = { token: connectionToken({ sub: 'alice', jti: 'phone' }) };
  const alice = await connected('alice', options, otherUrl);
  await api('block_user', { user: 'alice', expire_at: inSeconds(600) });
  const { code, reason } = await alice.tape.next('disconnected');
  assert.deepEqual([code, reason], [3507, 'permission denied']);
  alice.connect();
  assert.equal((await alice.tape.next('disconnected')).code, 3507);

  await api('unblock_user', { user: 'alice' });
  const again = await connected('alice', options);
  await api('revoke_token', { uid: 'phone', expire_at: inSeconds(600) });
  assert.equal((await again.tape.next('disconnected')).code, 3500);
  await connected('alice', { token: connectionToken({ sub: 'alice', jti: 'desk' }) }, url);
}
