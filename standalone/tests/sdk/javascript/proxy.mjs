/** What stands between clients and gateways: an HTTP proxy that knows nothing of sessions, and refuses WebSockets. */

import { createServer, request } from 'node:http';

/**
 * A proxy that gives each request to the next of `targets`, however few connections the requests come on. Paths in `blocked`
 * are answered with 403. Gives its base URL.
 */
export async function proxy(targets, blocked = []) {
  const bases = targets.map((target) => new URL(target.replace(/^ws/, 'http')));
  let requests = 0;
  const server = createServer((incoming, outgoing) => {
    if (blocked.some((path) => incoming.url.startsWith(path))) return outgoing.writeHead(403).end();
    const { hostname, port } = bases[requests++ % bases.length];
    const { method, url: path, headers } = incoming;
    const passed = request({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
      answer.on('error', () => outgoing.destroy());
    });
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n'));
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return `http://127.0.0.1:${server.address().port}`;
}
