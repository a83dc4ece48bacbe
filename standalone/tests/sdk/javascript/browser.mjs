/**
 * Scenarios in headless Chromium, from a page of another origin than the gateways': what a browser allows, asks for first,
 * holds back and repeats is the browser's own doing. From the environment besides: CHROMIUM (path of the browser) and
 * PAGE_PORT (where the page is to be served).
 */

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';

import {
  connected, connectionToken, decode, format, otherUrl, require, subscribed, told, url, within,
} from './stage.mjs';

const { CHROMIUM, NODE_MODULES_DIR, TIDEGATE_SECRET } = process.env;
const DEADLINE = 20_000;

const base = (endpoint) => endpoint.replace(/^ws/, 'http').replace('/connection/websocket', '');

/** Runs `use` on an empty page. */
async function withPage(use) {
  const { chromium } = require('playwright-core');
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html>'));
  await new Promise((listening) => server.listen(Number(process.env.PAGE_PORT), '127.0.0.1', listening));
  // The sandbox needs privileges that containers withhold; only our own page is opened.
  const browser = await chromium.launch({
    executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    // The gateways' certificates are of an authority that Chromium does not know; who trusts whom is for other tests.
    const page = await browser.newPage({ ignoreHTTPSErrors: true });
    page.setDefaultTimeout(DEADLINE);
    await page.goto(`http://127.0.0.1:${process.env.PAGE_PORT}/`);
    await use(page);
  } finally {
    await browser.close();
    server.close();
  }
}

/** The SDK in the browser, over each transport, with commands that come to the other gateway. */
export async function browser_transports() {
  const bundle = format === 'protobuf' ? 'centrifuge.protobuf.js' : 'centrifuge.js';
  const kinds = format === 'protobuf' ? ['websocket', 'http_stream'] : ['websocket', 'http_stream', 'sse'];
  await withPage(async (page) => {
    await page.addScriptTag({ path: join(NODE_MODULES_DIR, 'centrifuge/dist', bundle) });
    for (const transport of kinds) {
      const endpoint = `${transport === 'websocket' ? base(url).replace('http', 'ws') : base(url)}/connection/${transport}`;
      const settings = {
        transport, endpoint, emulationEndpoint: `${base(otherUrl)}/emulation`, isBinary: format === 'protobuf',
        token: connectionToken({ sub: 'alice' }), channel: `chat:${transport}`,
      };
      const outcome = await page.evaluate(async (given) => {
        const encode = (value) => (given.isBinary ? new TextEncoder().encode(JSON.stringify(value)) : value);
        const decode = (data) => (given.isBinary ? JSON.parse(new TextDecoder().decode(data)) : data);
        const client = new Centrifuge(
          [{ transport: given.transport, endpoint: given.endpoint }],
          { token: given.token, emulationEndpoint: given.emulationEndpoint },
        );
        const subscription = client.newSubscription(given.channel);
        const numbers = [];
        const all = new Promise((resolve) => subscription.on('publication', ({ data }) => {
          numbers.push(decode(data));
          if (numbers.length === 20) resolve();
        }));
        const opened = new Promise((resolve) => client.on('connected', resolve));
        subscription.subscribe();
        client.connect();
        const { transport: used } = await opened;
        for (let number = 0; number < 20; number += 1) await subscription.publish(encode(number));
        await all;
        client.disconnect();
        return { used, numbers };
      }, settings);
      assert.deepEqual(outcome, { used: transport, numbers: Array.from({ length: 20 }, (_, number) => number) });
    }
  });
}

/**
 * A plain EventSource on a channel that is kept, while the gateway goes away and comes back: every publication is heard in
 * order. Says `ready`, is told `back`.
 */
async function eventSource(mayRepeat) {
  const channel = 'events:room';
  const connect = JSON.stringify({ token: connectionToken({ sub: 'alice' }), subs: { [channel]: {} } });
  const speaker = await connected('bob');
  const speak = async (from, to) => {
    for (let number = from; number < to; number += 1) await speaker.publish(channel, number);
  };
  await withPage(async (page) => {
    await page.evaluate(({ address, name }) => {
      globalThis.heard = [];
      globalThis.opened = 0;
      const source = new EventSource(address);
      source.onmessage = ({ data }) => {
        const { connect, pub } = JSON.parse(data);
        if (connect) globalThis.opened += 1;
        globalThis.heard.push(...(connect?.subs[name].publications ?? []), ...(pub ? [pub] : []));
      };
    }, { address: `${base(url)}/connection/uni_sse?cf_connect=${encodeURIComponent(connect)}`, name: channel });
    const until = (condition, value) => page.waitForFunction(condition, value, { timeout: DEADLINE });
    await until(() => globalThis.opened === 1);
    await speak(0, 50);
    await until(() => globalThis.heard.some(({ data }) => data === 49));
    console.log('ready');
    await told('back');
    await within(speaker.ready(), 'the speaker is back');
    await speak(50, 100);
    await until(() => globalThis.opened === 2);
    await speak(100, 120);
    await until(() => globalThis.heard.some(({ data }) => data === 119));
    const heard = await page.evaluate(() => globalThis.heard);
    const once = heard.filter(({ offset }, at) => heard.findIndex((other) => other.offset === offset) === at);
    assert.deepEqual(once.map(({ data }) => data), Array.from({ length: 120 }, (_, number) => number));
    if (!mayRepeat) assert.equal(heard.length, once.length, 'something came twice');
  });
}

export const event_source_stopped = () => eventSource(false);
export const event_source_killed = () => eventSource(true);

/**
 * More EventSources to one host than a browser opens sockets over HTTP/1: `live` of them are, and hear everything; the first
 * of the others follows when one is closed.
 */
async function eventSources(live, protocol) {
  const count = 12;
  const channel = 'events:many';
  const connect = JSON.stringify({ token: connectionToken({ sub: 'alice' }), subs: { [channel]: {} } });
  const speaker = await connected('bob');
  await withPage(async (page) => {
    const network = await page.context().newCDPSession(page);
    const protocols = new Set();
    network.on('Network.responseReceived', ({ response }) => {
      if (response.url.includes('/connection/uni_sse')) protocols.add(response.protocol);
    });
    await network.send('Network.enable');
    await page.evaluate(({ address, sources }) => {
      globalThis.heard = Array.from({ length: sources }, () => []);
      globalThis.sources = globalThis.heard.map((heard, number) => {
        const source = new EventSource(`${address}&number=${number}`);
        source.onmessage = ({ data }) => {
          const { connect, pub } = JSON.parse(data);
          heard.push(...(connect ? ['connect'] : []), ...(pub ? [pub.data] : []));
        };
        return source;
      });
    }, { address: `${base(url)}/connection/uni_sse?cf_connect=${encodeURIComponent(connect)}`, sources: count });
    const hear = (last, least) => page.waitForFunction(
      ([value, enough]) => globalThis.heard.filter((it) => it.includes(value)).length >= enough,
      [last, least], { timeout: DEADLINE },
    );
    await hear('connect', live);
    for (let number = 0; number < 50; number += 1) await speaker.publish(channel, number);
    await hear(49, live);
    const heard = await page.evaluate(() => globalThis.heard);
    const all = ['connect', ...Array.from({ length: 50 }, (_, number) => number)];
    assert.deepEqual(heard.filter((it) => it.length > 0), Array.from({ length: live }, () => all));
    assert.deepEqual([...protocols], [protocol]);
    if (live === count) return;
    await page.evaluate(() => globalThis.sources[globalThis.heard.findIndex((it) => it.length > 0)].close());
    await hear('connect', live + 1);
  });
}

export const event_sources_over_http_2 = () => eventSources(12, 'h2');
export const event_sources_over_http_1 = () => eventSources(6, 'http/1.1');

/** The page of the server API: without the key a method is refused, with it a client hears what is published there. */
export async function api_page() {
  const room = await subscribed(await connected('alice'), 'chat:room');
  await withPage(async (page) => {
    await page.goto(`${base(url)}/swagger/`);
    const publish = page.locator('details', { has: page.getByText(/^\/publish: /) });
    await publish.locator('summary').click();
    await publish.getByLabel('Body of /publish').fill('{"channel":"chat:room","data":{"by":"hand"}}');
    for (const [key, answer] of [['wrong', /^401/], [TIDEGATE_SECRET, /^200\n\{"result":\{\}\}$/]]) {
      await page.getByLabel('API key').fill(key);
      await publish.getByRole('button', { name: 'Send' }).click();
      await publish.locator('pre', { hasText: answer }).waitFor();
    }
    assert.deepEqual(decode((await room.tape.next('publication')).data), { by: 'hand' });
  });
}
