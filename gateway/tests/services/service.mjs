// An application's backend that is a NATS client and nothing else: it hears in a queue group what gateways ask.

import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_MODULES_DIR}/`);
const { connect } = require('@nats-io/transport-node');

const answers = {
  connect: () => ({ result: { user: 'from-node', data: { hello: 'node' } } }),
  subscribe: ({ channel }) =>
    channel === 'chat:closed' ? { error: { code: 403, message: 'closed' } } : { result: {} },
  publish: ({ user, data }) => ({ result: { data: { by: user, text: data.text.toUpperCase() } } }),
  rpc: ({ method, data }) =>
    method === 'sum'
      ? { result: { data: { sum: data.reduce((total, each) => total + each, 0) } } }
      : { error: { code: 404, message: `no method ${method}` } },
};

const nats = await connect({ servers: process.env.NATS_URL });
const subscription = nats.subscribe('tide.hook.app', { queue: 'backends' });
await nats.flush();
console.log('ready');
for await (const message of subscription) {
  const answer = answers[message.headers.get('Tide-Event')](message.json());
  message.respond(JSON.stringify(answer));
}
