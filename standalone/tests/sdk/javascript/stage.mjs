/**
 * What every scenario needs: clients of the unmodified SDK, tokens, awaited events, and a word with the test outside.
 *
 * In, from the environment: TIDEGATE_URL and TIDEGATE_OTHER_URL (WebSocket endpoints of two gateways, or twice the same),
 * TIDEGATE_FORMAT (`json` or `protobuf`), TIDEGATE_SECRET (of HS256 tokens), NODE_MODULES_DIR; TIDEGATE_TRANSPORT for another
 * transport than WebSocket, of which most commands then come to the gateway that does not have the connection.
 */

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

import { EventSource } from './event_source.mjs';
import { proxy } from './proxy.mjs';

const { TIDEGATE_URL, TIDEGATE_OTHER_URL, TIDEGATE_FORMAT, TIDEGATE_SECRET, TIDEGATE_TRANSPORT, NODE_MODULES_DIR } =
  process.env;

export const url = TIDEGATE_URL;
export const otherUrl = TIDEGATE_OTHER_URL;
export const format = TIDEGATE_FORMAT;
export const transport = TIDEGATE_TRANSPORT;
export const require = createRequire(`${NODE_MODULES_DIR}/`);
export const WebSocket = require('ws');
export const { Centrifuge, UnauthorizedError } =
  require(format === 'protobuf' ? 'centrifuge/build/protobuf' : 'centrifuge');

/** Milliseconds in which an awaited event has to happen. */
export const DEADLINE = 30_000;

const CLIENT_EVENTS =
  ['connecting', 'connected', 'disconnected', 'error', 'subscribed', 'subscribing', 'unsubscribed', 'publication'];
const SUBSCRIPTION_EVENTS =
  ['subscribing', 'subscribed', 'unsubscribed', 'publication', 'join', 'leave', 'error'];

const clients = [];

/** `promise`, or an error that says what was awaited. */
export async function within(promise, what, context = () => '') {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${DEADLINE} ms; ${context()}`)), DEADLINE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Everything that a client or subscription emitted, to be taken in order. */
class Tape {
  #events = [];
  #taken = new Map();
  #waiting = [];

  constructor(emitter, names) {
    for (const name of names) {
      emitter.on(name, (context) => {
        this.#events.push({ name, context });
        this.#waiting.splice(0).forEach((wake) => wake());
      });
    }
  }

  all(name) {
    return this.#events.filter((event) => event.name === name).map((event) => event.context);
  }

  count(name) {
    return this.all(name).length;
  }

  /** The first event of this name that was not taken yet. */
  async next(name) {
    const index = this.#taken.get(name) ?? 0;
    this.#taken.set(name, index + 1);
    const happens = async () => {
      while (this.count(name) <= index) await new Promise((wake) => this.#waiting.push(wake));
      return this.all(name)[index];
    };
    return within(happens(), `event ${name} number ${index + 1}`, () => `happened: ${this}`);
  }

  toString() {
    return this.#events.map(({ name, context }) => `${name} ${JSON.stringify(context)}`).join(', ').slice(-4_000);
  }
}

const detour = TIDEGATE_TRANSPORT ? await proxy([TIDEGATE_OTHER_URL, TIDEGATE_OTHER_URL, TIDEGATE_URL]) : undefined;

/** What the SDK is given for a WebSocket endpoint when another transport is to be tried. */
function transports(endpoint) {
  if (!TIDEGATE_TRANSPORT || Array.isArray(endpoint)) return endpoint;
  const base = endpoint.replace(/^ws/, 'http').replace('/connection/websocket', '');
  return [{ transport: TIDEGATE_TRANSPORT, endpoint: `${base}/connection/${TIDEGATE_TRANSPORT}` }];
}

/** A client that is not connected yet, with its tape. */
export function client(options = {}, endpoint = url) {
  const made = new Centrifuge(transports(endpoint), {
    websocket: WebSocket, eventsource: EventSource, emulationEndpoint: `${detour}/emulation`,
    minReconnectDelay: 50, maxReconnectDelay: 500, ...options,
  });
  made.tape = new Tape(made, CLIENT_EVENTS);
  clients.push(made);
  return made;
}

/** A client that is connected as `user`. */
export async function connected(user, options = {}, endpoint = url) {
  const made = client({ token: connectionToken({ sub: user }), ...options }, endpoint);
  made.connect();
  const { transport } = await made.tape.next('connected');
  if (TIDEGATE_TRANSPORT && endpoint === url) assert.equal(transport, TIDEGATE_TRANSPORT);
  return made;
}

/** A subscription that was asked for, with its tape. */
export function subscribe(owner, channel, options = {}) {
  const made = owner.newSubscription(channel, options);
  made.tape = new Tape(made, SUBSCRIPTION_EVENTS);
  made.subscribe();
  return made;
}

/** A subscription that is in force. */
export async function subscribed(owner, channel, options = {}) {
  const made = subscribe(owner, channel, options);
  await made.tape.next('subscribed');
  return made;
}

export function disconnectAll() {
  clients.forEach((made) => made.disconnect());
}

/** A value as this format's payload, and back. */
export function encode(value) {
  return format === 'protobuf' ? new TextEncoder().encode(JSON.stringify(value)) : value;
}

export function decode(payload) {
  return format === 'protobuf' ? JSON.parse(new TextDecoder().decode(payload)) : payload;
}

/** Seconds since 1970, at least some time from now. */
export function inSeconds(seconds) {
  return Math.ceil(Date.now() / 1_000) + seconds;
}

/** A connection or subscription token with these claims. */
export function token(claims, secret = TIDEGATE_SECRET) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`;
}

export function connectionToken(claims) {
  return token({ exp: inSeconds(3_600), ...claims });
}

export function subscriptionToken(user, channel, claims = {}) {
  return token({ sub: user, channel, exp: inSeconds(3_600), ...claims });
}

/** Says a line to the test outside. */
export function say(line) {
  process.stdout.write(`${line}\n`);
}

const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Waits for the test outside to say this line. It sets its own deadline. */
export async function told(line) {
  const { value } = await input.next();
  if (value !== line) throw new Error(`told ${value} instead of ${line}`);
}

/** The error that a promise is rejected with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}
