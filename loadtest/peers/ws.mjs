// A plain broadcast server on npm's ws, in the dialect `raw`: node ws.mjs [PORT]. It says where it listens.
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../target/peers/node/', import.meta.url));
const { WebSocketServer } = require('ws');

const channels = new Map();
const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.argv[2] ?? 0),
  perMessageDeflate: false,
  backlog: 4096,
});

function subscribe(socket, channel) {
  const subscribers = channels.get(channel) ?? new Set();
  channels.set(channel, subscribers.add(socket));
  socket.channels.add(channel);
}

function unsubscribe(socket, channel) {
  const subscribers = channels.get(channel);
  subscribers?.delete(socket);
  if (subscribers?.size === 0) channels.delete(channel);
  socket.channels.delete(channel);
}

function take(socket, command) {
  if (command.publish !== undefined) {
    // Made once for all, as a server that is meant to be fast would.
    const message = Buffer.from(JSON.stringify(command.data));
    for (const subscriber of channels.get(command.publish) ?? []) {
      subscriber.send(message, { binary: false });
    }
  } else if (command.subscribe !== undefined) {
    subscribe(socket, command.subscribe);
  } else if (command.unsubscribe !== undefined) {
    unsubscribe(socket, command.unsubscribe);
  }
  socket.send(`{"done":${command.id}}`);
}

server.on('connection', (socket) => {
  socket.channels = new Set();
  socket.on('message', (text) => take(socket, JSON.parse(text)));
  socket.on('close', () => socket.channels.forEach((channel) => unsubscribe(socket, channel)));
  socket.on('error', () => {});
});
server.on('listening', () => console.log(`ws://127.0.0.1:${server.address().port}/`));
