/**
 * A minimal client of Centrifugo's client protocol v2 in its JSON format.
 *
 * In: an endpoint, a token, and what the user wants (subscribe, publish, presence).
 * Out: events. `state`, `frame`, `subscription`, `publication`, `join`, `leave`, each with a `detail`.
 * It must not know that a page exists.
 */

const COMMAND_TIMEOUT = 5_000;
const PING_GRACE = 10_000;
const BACKOFF_FIRST = 500;
const BACKOFF_LAST = 20_000;

/** What the server, or this client, answers to a command that did not succeed. Codes below 100 are the client's. */
export class CommandError extends Error {
  constructor({ code, message, temporary = false }) {
    super(message);
    this.code = code;
    this.temporary = temporary || code < 100;
  }
}

const TIMED_OUT = { code: 1, message: 'no answer within 5 seconds' };
const CLOSED = { code: 2, message: 'connection closed' };

/** Whether a client may come back after a close with this code: the protocol gives the answer to its number. */
function reconnectsAfter(code) {
  const terminal = (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
  return !terminal && code !== 1009;
}

/** A wait between zero and a doubling bound, so that clients of one lost node do not return together. */
function backoff(attempt) {
  const bound = Math.min(BACKOFF_LAST, BACKOFF_FIRST * 2 ** attempt);
  return Math.max(100, Math.random() * bound);
}

export class Client extends EventTarget {
  /** `disconnected`, `connecting`, `connected` or `waiting` (for the next attempt), with what goes with it. */
  state = { name: 'disconnected' };

  /** Channel to `{ channel, state, serverSide, recoverable, epoch, offset }`. Outlives connections. */
  subscriptions = new Map();

  #endpoint = '';
  #token = '';
  #socket = null;
  #pending = new Map();
  #lastId = 0;
  #attempt = 0;
  #retryTimer = 0;
  #silenceTimer = 0;
  #ping = { interval: 0, pong: false };

  connect(endpoint, token) {
    this.#leave(1000, '');
    this.#endpoint = endpoint;
    this.#token = token;
    this.#attempt = 0;
    this.#open();
  }

  disconnect() {
    if (this.state.name === 'disconnected') return;
    this.#leave(1000, '');
    this.#setState({ name: 'disconnected', code: 0, reason: 'you closed the connection' });
  }

  /** Resolves once subscribed. After a refusal the channel is forgotten, so that it can be tried again. */
  async subscribe(channel) {
    const subscription = this.subscriptions.get(channel) ?? this.#track(channel, false);
    try {
      await this.#sendSubscribe(subscription);
    } catch (error) {
      this.#forget(subscription);
      throw error;
    }
  }

  /** Always forgets the channel; a server that cannot be told drops it with the connection. */
  async unsubscribe(channel) {
    const subscription = this.subscriptions.get(channel);
    if (!subscription) return;
    const tell = this.state.name === 'connected' && subscription.state !== 'ended';
    this.#forget(subscription);
    if (tell) await this.#request('unsubscribe', { channel });
  }

  /** `json` is the text of a JSON value and goes out as typed, so that large numbers survive. */
  publish(channel, json) {
    // A line break is legal between JSON tokens, but it ends a command on the wire.
    return this.#request('publish', { channel }, { data: json.replace(/[\r\n]+/g, ' ') });
  }

  /** Resolves with a map of client id to `{ user, client, conn_info?, chan_info? }`. */
  async presence(channel) {
    return (await this.#request('presence', { channel })).presence ?? {};
  }

  // Connection

  #open() {
    this.#setState({ name: 'connecting', attempt: this.#attempt });
    let socket;
    try {
      socket = new WebSocket(this.#endpoint);
    } catch (error) {
      this.#setState({ name: 'disconnected', code: 0, reason: error.message });
      return;
    }
    this.#socket = socket;
    // A socket that was left may still speak: only the current one is heard.
    const current = (handle) => (event) => { if (socket === this.#socket) handle(event); };
    socket.onopen = current(() => { this.#note(`open ${this.#endpoint}`); this.#sendConnect(); });
    socket.onmessage = current((event) => this.#receive(event.data));
    socket.onclose = current((event) => this.#lost(event.code, event.reason));
  }

  async #sendConnect() {
    const request = { name: 'tidegate-playground' };
    if (this.#token) request.token = this.#token;
    const recoverable = [...this.subscriptions.values()].filter((s) => s.serverSide && s.recoverable);
    if (recoverable.length > 0) {
      request.subs = Object.fromEntries(recoverable.map((s) => [s.channel, position(s)]));
    }
    try {
      await this.#request('connect', request, { apply: (result) => this.#connected(result) });
    } catch (error) {
      // A socket that closed meanwhile has been dealt with where it closed.
      if (error.code === CLOSED.code) return;
      this.#lost(error.code, error.message, error.temporary);
    }
  }

  #connected(result) {
    this.#attempt = 0;
    this.#ping = { interval: (result.ping ?? 0) * 1000, pong: result.pong === true };
    this.#setState({ name: 'connected', result });
    const granted = result.subs ?? {};
    for (const subscription of [...this.subscriptions.values()]) {
      if (!subscription.serverSide) this.#resubscribe(subscription);
      else if (!(subscription.channel in granted)) this.#end(subscription, 0, 'no longer granted by the server');
    }
    for (const [channel, grant] of Object.entries(granted)) this.#subscribed(this.#track(channel, true), grant);
  }

  /** Closes the socket and tells everybody who waits for it, without deciding what comes next. */
  #leave(code, reason) {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#silenceTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) {
      socket.close(code, reason);
      this.#note('closed by this page');
    }
    for (const { fail } of [...this.#pending.values()]) fail(CLOSED);
    for (const subscription of this.subscriptions.values()) {
      if (subscription.state !== 'ended') this.#setSubscription(subscription, 'waiting');
    }
  }

  #lost(code, reason, again = reconnectsAfter(code)) {
    if (this.#socket?.readyState === WebSocket.CLOSED) this.#note(`closed by the server: ${code} ${reason}`);
    this.#leave(1000, '');
    if (!again) {
      this.#setState({ name: 'disconnected', code, reason });
      return;
    }
    const delay = backoff(this.#attempt);
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#setState({ name: 'waiting', code, reason, delay });
  }

  // Frames

  #receive(text) {
    this.#emit('frame', { direction: 'received', text: String(text) });
    this.#watchSilence();
    const socket = this.#socket;
    for (const line of String(text).split('\n')) {
      if (line === '' || socket !== this.#socket) continue;
      const reply = parse(line);
      if (reply === undefined) return this.#lost(2, 'the server sent something other than JSON', false);
      this.#dispatch(reply);
    }
  }

  #dispatch(reply) {
    if (reply.id) this.#pending.get(reply.id)?.settle(reply);
    else if (reply.push) this.#push(reply.push);
    else if (this.#ping.pong) this.#send('{}');
  }

  #push({ channel, pub, join, leave, unsubscribe, subscribe, disconnect }) {
    if (disconnect) return this.#lost(disconnect.code, disconnect.reason);
    if (subscribe) return this.#subscribed(this.#track(channel, true), subscribe);
    const subscription = this.subscriptions.get(channel);
    if (!subscription) return;
    if (pub) this.#publication(subscription, pub);
    else if (join) this.#emit('join', { channel, info: join.info });
    else if (leave) this.#emit('leave', { channel, info: leave.info });
    else if (unsubscribe) this.#unsubscribed(subscription, unsubscribe);
  }

  /** A server that promised pings and then says nothing is gone, whatever the socket believes. */
  #watchSilence() {
    clearTimeout(this.#silenceTimer);
    if (this.#ping.interval === 0) return;
    this.#silenceTimer = setTimeout(() => this.#lost(2, 'no ping from the server'), this.#ping.interval + PING_GRACE);
  }

  #send(text) {
    this.#socket.send(text);
    this.#emit('frame', { direction: 'sent', text });
  }

  /**
   * Sends one command. `data` is JSON text put into the body as it is. `apply` runs with the result before anything
   * later in the same frame is read: a promise alone would let a publication overtake its subscription.
   */
  #request(method, body, { data, apply = () => {} } = {}) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      return Promise.reject(new CommandError({ code: CLOSED.code, message: 'not connected' }));
    }
    const id = ++this.#lastId;
    const command = JSON.stringify({ id, [method]: body });
    return new Promise((resolve, reject) => {
      const finish = (action) => { clearTimeout(timer); this.#pending.delete(id); action(); };
      const fail = (error) => finish(() => reject(new CommandError(error)));
      const settle = (reply) => {
        if (reply.error) return fail(reply.error);
        finish(() => { apply(reply[method] ?? {}); resolve(reply[method] ?? {}); });
      };
      const timer = setTimeout(() => fail(TIMED_OUT), COMMAND_TIMEOUT);
      this.#pending.set(id, { settle, fail });
      this.#send(data === undefined ? command : `${command.slice(0, -2)},"data":${data}}}`);
    });
  }

  // Subscriptions

  #track(channel, serverSide) {
    const known = this.subscriptions.get(channel);
    if (known) return Object.assign(known, { serverSide });
    const subscription = { channel, serverSide, state: 'new', recoverable: false, epoch: '', offset: 0 };
    this.subscriptions.set(channel, subscription);
    return subscription;
  }

  #forget(subscription) {
    this.subscriptions.delete(subscription.channel);
    this.#setSubscription(subscription, 'removed');
  }

  #end(subscription, code, reason) {
    subscription.recoverable = false;
    this.#setSubscription(subscription, 'ended', { code, reason });
  }

  #sendSubscribe(subscription) {
    // Wishes: the server grants those its namespace allows, and says so in the result.
    const request = { channel: subscription.channel, positioned: true, recoverable: true, join_leave: true };
    if (subscription.recoverable) Object.assign(request, position(subscription));
    this.#setSubscription(subscription, 'subscribing');
    return this.#request('subscribe', request, { apply: (result) => this.#subscribed(subscription, result) });
  }

  async #resubscribe(subscription) {
    if (subscription.state === 'ended') return;
    try {
      await this.#sendSubscribe(subscription);
    } catch (error) {
      if (error.code === CLOSED.code) return;
      // The same rule for both: a connection that cannot restore its subscriptions is started again, with backoff.
      if (error.temporary) this.#lost(3, `subscribe: ${error.message}`);
      else this.#end(subscription, error.code, error.message);
    }
  }

  #subscribed(subscription, result) {
    // Unsubscribed while the reply was under way: the unsubscribe command follows it, and nothing is shown.
    if (this.subscriptions.get(subscription.channel) !== subscription) return;
    const { recoverable = false, epoch = '', offset = 0 } = result;
    Object.assign(subscription, { recoverable, epoch, offset });
    this.#setSubscription(subscription, 'subscribed', { result });
    for (const publication of result.publications ?? []) this.#publication(subscription, publication);
  }

  #unsubscribed(subscription, { code = 0, reason = '' }) {
    if (code < 2500 || subscription.serverSide) return this.#end(subscription, code, reason);
    if (code === 2502) subscription.recoverable = false;
    this.#resubscribe(subscription);
  }

  #publication(subscription, publication) {
    if (publication.offset) subscription.offset = publication.offset;
    if (publication.epoch) subscription.epoch = publication.epoch;
    this.#emit('publication', { channel: subscription.channel, publication });
  }

  // Events

  #setState(state) {
    this.state = state;
    this.#emit('state', state);
  }

  #setSubscription(subscription, state, more = {}) {
    subscription.state = state;
    this.#emit('subscription', { subscription, ...more });
  }

  #note(text) {
    this.#emit('frame', { direction: 'socket', text });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function position({ epoch, offset }) {
  return { recover: true, epoch, offset };
}

function parse(line) {
  try {
    return JSON.parse(line) ?? undefined;
  } catch {
    return undefined;
  }
}
