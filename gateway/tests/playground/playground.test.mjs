/**
 * The playground in headless Chromium, used as a person would: keys, clicks, and what is then to be seen.
 *
 * In, from the environment:
 *   TIDEGATE_URL      base URL of a running server that serves the page
 *   TIDEGATE_TOKEN    connection token of a user who may subscribe to the channel and publish on it; may be empty
 *   TIDEGATE_CHANNEL  that channel, `chat:lobby` unless given
 *   CHROMIUM          path of the browser, `/usr/bin/chromium` unless given
 *   NODE_MODULES_DIR  a `node_modules` folder that has `playwright-core`
 *   SCREENSHOT_DIR    where to leave pictures of the page; none are taken without it
 * Out: node's test report. Run with `node --test`. Each test has pages of its own, and waits for events, not for time.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

const {
  TIDEGATE_URL: url, TIDEGATE_TOKEN: token = '', TIDEGATE_CHANNEL: channel = 'chat:lobby',
  CHROMIUM: executablePath = '/usr/bin/chromium', NODE_MODULES_DIR: modules, SCREENSHOT_DIR: pictures,
} = process.env;
assert.ok(url, 'TIDEGATE_URL has to name a running server');
assert.ok(modules, 'NODE_MODULES_DIR has to name a folder with playwright-core');
const { chromium } = createRequire(`${modules}/`)('playwright-core');

const DEADLINE = 10_000;
const GREETING = '{"text":"hello"}';
const MARKUP = '{"text":"<img src=x onerror=document.title=1><b>bold</b> & \\"quoted\\""}';

let browser;

before(async () => {
  // The sandbox needs privileges that containers withhold; only our own page is opened.
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  if (pictures) mkdirSync(pictures, { recursive: true });
});

after(() => browser?.close());

/** Runs `use` on a fresh page, then asserts that the browser had nothing to complain about. */
async function withPage(use, { context: options, prepare = () => {} } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(DEADLINE);
  const complaints = [];
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  const origin = new URL(url).origin;
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`left the origin: ${request.url()}`);
  });
  try {
    await prepare(page);
    const response = await page.goto(new URL('/', url).href);
    assert.equal(response.status(), 200);
    await use(page, response);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

const field = (page, label) => page.getByLabel(label, { exact: false }).first();
const button = (page, name) => page.getByRole('button', { name, exact: true });
const log = (page, name = channel) => page.getByRole('log', { name: `Publications on ${name}` });
const rawFrames = (page) => page.getByRole('log', { name: 'Raw frames' });
const state = (page) => page.locator('#state');
const says = (locator, text) => locator.filter({ hasText: text }).first().waitFor();

async function connect(page) {
  await page.locator('#token').fill(token);
  await button(page, 'Connect').click();
  await says(state(page), /^Connected as \S+/);
}

async function subscribe(page, name = channel) {
  await page.locator('#channel').fill(name);
  await button(page, 'Subscribe').click();
  await page.getByRole('article', { name: `Channel ${name}` }).waitFor();
}

async function publish(page, payload) {
  await page.locator('#payload').fill(payload);
  await button(page, 'Publish').click();
  await says(page.locator('#publish-result'), 'Accepted');
}

const picture = (page, name) => pictures && page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });

/** Tabs until the element with this id has the focus, as somebody without a mouse does. */
async function tabTo(page, id) {
  for (let presses = 0; presses < 30; presses += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate((wanted) => document.activeElement?.id === wanted, id)) return;
  }
  assert.fail(`Tab does not reach #${id}`);
}

/** Every visible text whose contrast to what is behind it is under 4.5, as `text: ratio`. */
function faintTexts(page) {
  return page.evaluate(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return canvas.getImageData(0, 0, 1, 1).data;
    };
    const luminance = (color) => {
      const [r, g, b] = [...rgba(color)].slice(0, 3).map((value) => value / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      const color = getComputedStyle(element).backgroundColor;
      return rgba(color)[3] > 0 || !element.parentElement ? color : behind(element.parentElement);
    };
    const faint = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const element = text.parentElement;
      if (!text.data.trim() || !element.checkVisibility()) continue;
      const both = [luminance(getComputedStyle(element).color), luminance(behind(element))];
      const [light, dark] = both.sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      if (ratio < 4.5) faint.push(`${text.data.trim()}: ${ratio.toFixed(2)}`);
    }
    return faint;
  });
}

describe('playground', () => {
  test('is served under a strict content security policy', () => withPage(async (page, response) => {
    const policy = response.headers()['content-security-policy'] ?? '';
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) {
      assert.ok(policy.includes(part), `the policy lacks ${part}: ${policy}`);
    }
    assert.equal(await page.title(), 'Tidegate playground');
    assert.match(await page.locator('#endpoint').inputValue(), /^wss?:\/\/.+\/connection\/websocket$/);
    await says(page.locator('#welcome'), 'Subscribe to a channel such as chat:lobby');
  }));

  test('connects, subscribes and publishes by keyboard alone', () => withPage(async (page) => {
    const { keyboard } = page;
    await tabTo(page, 'token');
    await keyboard.type(token);
    await keyboard.press('Enter');
    await says(state(page), /^Connected as \S+/);
    await tabTo(page, 'channel');
    await keyboard.type(channel);
    await keyboard.press('Enter');
    await page.getByRole('article', { name: `Channel ${channel}` }).waitFor();
    await tabTo(page, 'payload');
    await keyboard.press('Control+A');
    await keyboard.type(GREETING);
    await keyboard.press('Control+Enter');
    await says(log(page).locator('pre'), GREETING);
    await says(page.locator('#publish-result'), `Accepted on ${channel}`);
    assert.match(await button(page, `${channel} 1 publications`).innerText(), /1/);
    await tabTo(page, 'endpoint').catch(() => assert.fail('Tab is trapped'));
  }));

  test('shows a publication from one tab in another', () => withPage(async (first) => {
    await connect(first);
    await subscribe(first);
    await withPage(async (second) => {
      await connect(second);
      await subscribe(second);
      await publish(second, '{"from": "the second tab"}');
      await says(log(first).locator('pre'), '{"from":"the second tab"}');
      await publish(first, '["and", "back"]');
      await says(log(second).locator('pre'), '["and","back"]');
    });
  }));

  test('hides the token until asked to show it', () => withPage(async (page) => {
    assert.equal(await page.locator('#token').getAttribute('type'), 'password');
    await button(page, 'Show token').click();
    assert.equal(await page.locator('#token').getAttribute('type'), 'text');
  }));

  test('says what keeps a connection, a channel or a payload from being used', () => withPage(async (page) => {
    await page.locator('#endpoint').fill('http//nowhere');
    await button(page, 'Connect').click();
    await says(page.locator('#endpoint-error'), 'ws:// or wss://');
    await page.locator('#endpoint').fill(`${url.replace(/^http/, 'ws').replace(/\/$/, '')}/connection/websocket`);
    await page.locator('#channel').fill(channel);
    await button(page, 'Subscribe').click();
    await says(page.locator('#channel-error'), 'Connect first');
    await button(page, 'Publish').click();
    await says(page.locator('#payload-error'), 'Subscribe to a channel first');
    await connect(page);
    await subscribe(page, channel);
    await page.locator('#payload').fill('{"text": nonsense}');
    await button(page, 'Publish').click();
    await says(page.locator('#payload-error'), 'This is not JSON yet');
    assert.equal(await page.locator('#payload').getAttribute('aria-invalid'), 'true');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'payload');
    await says(page.locator('#announcer'), 'This is not JSON yet');
    await publish(page, '{"text": "sense"}');
    assert.equal(await page.locator('#payload-error').textContent(), '');
  }));

  test('shows a refused channel beside the form and leaves no panel behind', () => withPage(async (page) => {
    await connect(page);
    await page.locator('#channel').fill('$no-such-namespace:room');
    await button(page, 'Subscribe').click();
    await says(page.locator('#channel-error'), /\(10[23]\)/);
    assert.equal(await page.getByRole('article').count(), 0);
  }));

  test('shows who is present, or calmly that it cannot', () => withPage(async (page) => {
    await connect(page);
    await subscribe(page);
    await button(page, 'Presence').click();
    await says(page.locator('.presence-text'), /\d+ clients? present|not available \(108\)|permission denied \(103\)/);
  }));

  test('unsubscribes from one of several channels and goes on with the other', () => withPage(async (page) => {
    const other = `${channel}-other`;
    await connect(page);
    await subscribe(page);
    await subscribe(page, other);
    await page.locator('h1').click();
    await page.keyboard.press('k');
    await log(page).waitFor();
    await button(page, 'Unsubscribe').click();
    await says(page.locator('#announcer'), `Unsubscribed from ${channel}`);
    await log(page, other).waitFor();
    assert.equal(await page.getByRole('article').count(), 1);
    await publish(page, '"still here"');
    await says(log(page, other).locator('pre'), 'still here');
    await button(page, 'Unsubscribe').click();
    await page.locator('#welcome').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), 'channel');
  }));

  test('shows raw frames of both directions without the token', () => withPage(async (page) => {
    await connect(page);
    await subscribe(page);
    // More digits than a JavaScript number holds: what is typed is what is sent.
    await publish(page, '{"text": "framed",\n "number": 12345678901234567890}');
    await says(rawFrames(page).locator('.sent pre'), /"publish".*framed.*12345678901234567890/);
    await says(rawFrames(page).locator('.received pre'), /"push".*framed/);
    if (token) assert.ok(!(await rawFrames(page).innerText()).includes(token), 'the token is to be seen');
    await field(page, 'Filter').fill('"subscribe"');
    await rawFrames(page).locator('li').nth(2).waitFor({ state: 'detached' });
    for (const text of await rawFrames(page).locator('pre').allInnerTexts()) assert.match(text, /"subscribe"/);
    await field(page, 'Filter').fill('');
    await button(page, 'Pause').click();
    const before = await rawFrames(page).locator('li').count();
    await publish(page, '"held back"');
    await says(page.locator('#frames-summary'), 'paused');
    assert.equal(await rawFrames(page).locator('li').count(), before);
    await button(page, 'Pause').click();
    await says(rawFrames(page).locator('pre'), 'held back');
    await button(page, 'Copy frames').click();
    await says(page.locator('#toast'), /Frames (copied|selected)/);
    await button(page, 'Clear frames').click();
    await rawFrames(page).locator('li').first().waitFor({ state: 'detached' });
  }));

  test('shows markup in a payload as text', () => withPage(async (page) => {
    await connect(page);
    await subscribe(page);
    await publish(page, MARKUP);
    await says(log(page).locator('pre'), MARKUP);
    assert.equal(await page.locator('.log img, .log b').count(), 0);
    assert.equal(await page.title(), 'Tidegate playground');
  }));

  test('keeps at most 500 rows and says so', () => withPage(async (page) => {
    await page.evaluate(async () => {
      const { BoundedLog, element } = await import('./log.js');
      const box = element('div');
      box.append(element('ol'));
      const report = await new Promise((done) => {
        const bounded = new BoundedLog(box, (text) => element('li', '', text), done);
        for (let index = 0; index < 1200; index += 1) bounded.add(`row ${index}`);
      });
      document.title = JSON.stringify([report, box.querySelectorAll('li').length, box.querySelector('li').textContent]);
    });
    assert.deepEqual(JSON.parse(await page.title()), [{ total: 1200, kept: 500, shown: 500 }, 500, 'row 700']);
    await says(page.locator('#frames'), 'The last 500 are kept');
  }));

  test('returns after a close that allows it, with its subscriptions, and stays away after one that does not', () => {
    const sockets = [];
    const prepare = (page) => page.routeWebSocket(/connection\/websocket/, (socket) => {
      sockets.push({ page: socket, server: socket.connectToServer() });
    });
    const closeWith = async (code, reason) => {
      const { page, server } = sockets.at(-1);
      await page.close({ code, reason });
      await server.close();
    };
    return withPage(async (page) => {
      await connect(page);
      await subscribe(page);
      const client = await state(page).innerText();
      await closeWith(3001, 'shutdown');
      await says(rawFrames(page).locator('pre'), 'closed by the server: 3001 shutdown');
      await says(page.locator('article .facts'), /^subscribed/);
      await says(state(page), /^Connected as/);
      assert.notEqual(await state(page).innerText(), client);
      await publish(page, '"after the return"');
      await says(log(page).locator('pre'), 'after the return');
      await closeWith(3500, 'invalid token');
      await says(state(page), 'Disconnected: 3500 invalid token');
      await says(page.locator('#token-error'), 'malformed');
      assert.equal(sockets.length, 2);
    }, { prepare });
  });

  test('follows what the server says about subscriptions', () => {
    let socket;
    const prepare = (page) => page.routeWebSocket(/connection\/websocket/, (route) => {
      socket = route;
      route.connectToServer();
    });
    return withPage(async (page) => {
      const push = (body) => socket.send(JSON.stringify({ push: body }));
      const panel = (name) => page.getByRole('article', { name: `Channel ${name}` });
      await connect(page);
      await subscribe(page);
      push({ channel, unsubscribe: { code: 2000, reason: 'server unsubscribe' } });
      await says(panel(channel).locator('.facts'), 'ended with 2000: server unsubscribe');
      await button(page, 'Remove').click();
      await page.locator('#welcome').waitFor();
      push({ channel: 'news', subscribe: {} });
      push({ channel: 'news', pub: { data: 'unasked', tags: { kind: 'flash' } } });
      push({ channel: 'news', join: { info: { user: 'grace', client: 'c1' } } });
      await says(panel('news').locator('.facts'), 'by the server');
      await says(log(page, 'news'), /server API.*kind.*flash.*"unasked".*grace joined/);
    }, { prepare });
  });

  test('says that a token has expired, and does not try it again', () => {
    let attempts = 0;
    const prepare = (page) => page.routeWebSocket(/connection\/websocket/, (route) => {
      attempts += 1;
      route.onMessage((text) => {
        const { id } = JSON.parse(text);
        route.send(JSON.stringify({ id, error: { code: 109, message: 'token expired' } }));
      });
    });
    return withPage(async (page) => {
      await page.locator('#token').fill('an.old.one');
      await button(page, 'Connect').click();
      await says(state(page), 'Disconnected: 109 token expired');
      await says(page.locator('#token-error'), 'fresh token');
      assert.equal(attempts, 1);
    }, { prepare });
  });

  test('answers each ping with one pong', () => {
    const sent = [];
    let socket;
    const prepare = (page) => page.routeWebSocket(/connection\/websocket/, (route) => {
      socket = route;
      route.onMessage((text) => {
        sent.push(text);
        const { id, connect: asked } = JSON.parse(text);
        if (asked) route.send(JSON.stringify({ id, connect: { client: 'c1', version: '1', ping: 25, pong: true } }));
      });
    });
    return withPage(async (page) => {
      await connect(page);
      socket.send('{}\n{}');
      socket.send('{}');
      await rawFrames(page).locator('.sent', { hasText: 'pong' }).nth(2).waitFor();
      assert.deepEqual(sent.slice(1), ['{}', '{}', '{}']);
      await field(page, 'Pings').uncheck();
      await rawFrames(page).locator('.sent', { hasText: 'pong' }).first().waitFor({ state: 'detached' });
    }, { prepare });
  });

  test('disconnects when told to', () => withPage(async (page) => {
    await connect(page);
    await button(page, 'Disconnect').click();
    await says(state(page), 'Disconnected: you closed the connection');
  }));

  test('opens the list of keys with ? and closes it with Escape', () => withPage(async (page) => {
    const dialog = page.getByRole('dialog', { name: 'Keys' });
    await page.locator('h1').click();
    await page.keyboard.press('?');
    await dialog.waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'channel');
    await page.keyboard.type('a/p?');
    assert.equal(await page.locator('#channel').inputValue(), 'a/p?');
    await page.getByRole('button', { name: /^Keys/ }).click();
    await picture(page, 'keys');
    await dialog.getByLabel('Single-key shortcuts').uncheck();
    await button(page, 'Close').click();
    await page.locator('h1').click();
    await page.keyboard.press('p');
    assert.notEqual(await page.evaluate(() => document.activeElement.id), 'payload');
  }));

  for (const [colorScheme, sea, ink] of [
    ['light', 'rgb(238, 244, 244)', 'rgb(15, 38, 44)'],
    ['dark', 'rgb(8, 22, 27)', 'rgb(226, 238, 239)'],
  ]) {
    test(`follows a ${colorScheme} system with enough contrast`, () => withPage(async (page) => {
      const colors = () => page.evaluate(() => {
        const { backgroundColor, color } = getComputedStyle(document.body);
        return [backgroundColor, color];
      });
      assert.deepEqual(await colors(), [sea, ink]);
      await picture(page, `${colorScheme}-first`);
      assert.deepEqual(await faintTexts(page), []);
      await connect(page);
      await subscribe(page, `${channel}-other`);
      await subscribe(page);
      await publish(page, GREETING);
      await button(page, 'Presence').click();
      await page.locator('.presence-text').nth(1).waitFor();
      await page.locator('#payload').fill('{"text": ');
      await page.keyboard.press('Control+Enter');
      await says(log(page).locator('pre'), GREETING);
      assert.deepEqual(await faintTexts(page), []);
      await picture(page, colorScheme);
    }, { context: { colorScheme } }));
  }

  test('remembers a theme of its own choice', () => withPage(async (page) => {
    await button(page, 'Theme: system').click();
    await button(page, 'Theme: light').click();
    await button(page, 'Theme: dark').waitFor();
    await page.reload();
    await button(page, 'Theme: dark').waitFor();
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(8, 22, 27)');
  }, { context: { colorScheme: 'light', reducedMotion: 'reduce' } }));

  for (const width of [360, 800, 1024]) {
    test(`fits a screen ${width} pixels wide`, () => withPage(async (page) => {
      await connect(page);
      await subscribe(page);
      await publish(page, JSON.stringify({ long: 'x'.repeat(300) }));
      await says(log(page).locator('pre'), 'xxx');
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(scrollWidth <= width, `the page is ${scrollWidth} pixels wide`);
      await picture(page, `width-${width}`);
    }, { context: { viewport: { width, height: 780 }, reducedMotion: 'reduce' } }));
  }
});
