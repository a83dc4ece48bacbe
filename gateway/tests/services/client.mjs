// An application's client on the SDK, which needs no token: the backend on NATS says who it is.

import { createRequire } from 'node:module';
import { strict as assert } from 'node:assert';

const require = createRequire(`${process.env.NODE_MODULES_DIR}/`);
const { Centrifuge } = require('centrifuge');
const websocket = require('ws');

const language = process.env.LANGUAGE_OF_BACKEND;
const client = new Centrifuge(process.env.TIDEGATE_URL, { websocket });
const connected = new Promise((resolve) => client.on('connected', resolve));
client.connect();
assert.deepEqual((await connected).data, { hello: language });

assert.deepEqual(await client.rpc('sum', [1, 2, 39]), { data: { sum: 42 } });
await assert.rejects(client.rpc('other', null), { code: 404, message: 'no method other' });

const closed = client.newSubscription('chat:closed');
const unsubscribed = new Promise((resolve) => closed.on('unsubscribed', resolve));
closed.subscribe();
assert.equal((await unsubscribed).code, 403);

const subscription = client.newSubscription('chat:lobby');
const publication = new Promise((resolve) => subscription.on('publication', resolve));
subscription.subscribe();
await subscription.ready();
await subscription.publish({ text: 'hello' });
const { data, info } = await publication;
assert.deepEqual(data, { by: `from-${language}`, text: 'HELLO' });
assert.equal(info.user, `from-${language}`);
client.disconnect();
