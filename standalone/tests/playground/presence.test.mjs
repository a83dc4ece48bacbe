/**
 * The playground of development mode in headless Chromium: two people see each other come and go.
 *
 * In, from the environment: TIDEGATE_URL, TIDEGATE_TOKEN, CHROMIUM, NODE_MODULES_DIR, and SCREENSHOT_DIR for a picture.
 */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

const { TIDEGATE_URL: url, TIDEGATE_TOKEN: token, CHROMIUM: executablePath, NODE_MODULES_DIR: modules,
  SCREENSHOT_DIR: pictures } = process.env;
const { chromium } = createRequire(`${modules}/`)('playwright-core');

const DEADLINE = 30_000;
const channel = 'chat:lobby';

async function open(browser) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  context.setDefaultTimeout(DEADLINE);
  const page = await context.newPage();
  await page.goto(url);
  await page.locator('#token').fill(token);
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  const state = page.locator('#state', { hasText: /^Connected as/ });
  await state.waitFor();
  const client = (await state.innerText()).split(' ').at(-1);
  await page.locator('#channel').fill(channel);
  await page.getByRole('button', { name: 'Subscribe', exact: true }).click();
  await page.getByRole('article', { name: `Channel ${channel}` }).waitFor();
  return { page, client };
}

/** Waits until exactly these clients are listed. */
async function lists({ page }, clients) {
  const number = clients.length;
  await page.locator('.presence-text', { hasText: `${number} ${number === 1 ? 'client' : 'clients'} present` }).waitFor();
  const listed = await page.locator('.present li code:first-of-type').allInnerTexts();
  assert.deepEqual(listed.sort(), [...clients].sort());
}

test('shows who is there as they come and go, without being asked', async () => {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  try {
    const first = await open(browser);
    await lists(first, [first.client]);
    const second = await open(browser);
    await lists(first, [first.client, second.client]);
    await lists(second, [first.client, second.client]);
    await first.page.locator('.log .who', { hasText: 'dev joined' }).last().waitFor();
    if (pictures) await first.page.screenshot({ path: join(pictures, 'presence.png') });
    await second.page.context().close();
    await first.page.locator('.log .who', { hasText: 'dev left' }).waitFor();
    await lists(first, [first.client]);
    if (pictures) await first.page.screenshot({ path: join(pictures, 'presence-after.png') });
  } finally {
    await browser.close();
  }
});
