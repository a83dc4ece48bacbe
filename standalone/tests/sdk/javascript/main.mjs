/**
 * Scenarios for the npm package `centrifuge` against running gateways: `node main.mjs <scenario>`, the rest by environment
 * (see stage.mjs). Ends with 0 only if every assertion of the scenario held.
 */

import assert from 'node:assert/strict';

import * as authentication from './authentication.mjs';
import * as browser from './browser.mjs';
import * as channels from './channels.mjs';
import * as delivery from './delivery.mjs';
import * as heartbeat from './heartbeat.mjs';
import * as keys from './keys.mjs';
import * as outage from './outage.mjs';
import * as presence from './presence.mjs';
import * as recovery from './recovery.mjs';
import { disconnectAll } from './stage.mjs';
import * as transports from './transports.mjs';

const scenarios = {
  ...authentication, ...browser, ...channels, ...delivery, ...heartbeat, ...keys, ...outage, ...presence, ...recovery,
  ...transports,
};
const [name] = process.argv.slice(2);
assert.ok(Object.hasOwn(scenarios, name), `no scenario ${name} among ${Object.keys(scenarios)}`);
await scenarios[name]();
disconnectAll();
process.exit(0);
