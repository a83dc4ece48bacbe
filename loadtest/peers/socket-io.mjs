// A broadcast server on npm's socket.io, rooms as channels: node socket-io.mjs [PORT]. It says where it listens.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../target/peers/node/', import.meta.url));
const { Server } = require('socket.io');

const http = createServer();
const server = new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false });

server.on('connection', (socket) => {
  socket.on('subscribe', (channel, done) => {
    socket.join(channel);
    done();
  });
  socket.on('unsubscribe', (channel, done) => {
    socket.leave(channel);
    done();
  });
  socket.on('publish', (channel, data, done) => {
    server.to(channel).emit('message', data);
    done();
  });
});
http.listen({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0), backlog: 4096 }, () => {
  console.log(`ws://127.0.0.1:${http.address().port}`);
});
