/** A client without an SDK, for what no SDK does. */

import { fileURLToPath } from 'node:url';

import { WebSocket, format, require, url, within } from './stage.mjs';

const protobuf = require('protobufjs');

const schema = fileURLToPath(new URL('../../../../proto/schema/client.proto', import.meta.url));
const root = await new protobuf.Root().load(schema, { keepCase: true });
const [Command, Reply] = ['Command', 'Reply'].map((name) => root.lookupType(`tidegate.client.v1.${name}`));

const codecs = {
  json: {
    encode: (commands) => commands.map((command) => JSON.stringify(command)).join('\n'),
    decode: (frame) => frame.toString().split('\n').filter(Boolean).map((line) => JSON.parse(line)),
  },
  protobuf: {
    encode: (commands) => Buffer.concat(commands.map((command) => Command.encodeDelimited(command).finish())),
    decode: (frame) => {
      const [reader, replies] = [protobuf.Reader.create(frame), []];
      while (reader.pos < reader.len) replies.push(Reply.decodeDelimited(reader));
      return replies;
    },
  },
};

export class RawClient {
  #socket;
  #replies = [];
  #wake = () => {};

  static async open() {
    const made = new RawClient();
    await within(new Promise((resolve, reject) => made.#start(resolve, reject)), 'an open socket');
    return made;
  }

  #start(resolve, reject) {
    this.#socket = new WebSocket(url, format === 'protobuf' ? ['centrifuge-protobuf'] : []);
    this.#socket.on('open', resolve).on('error', reject);
    this.#socket.on('message', (frame) => {
      const replies = codecs[format].decode(frame);
      this.#replies.push(...replies.filter((reply) => Object.keys(reply).length > 0));
      this.#wake();
    });
    this.closed = new Promise((closed) => {
      this.#socket.on('close', (code, reason) => closed({ code, reason: reason.toString() }));
    });
  }

  /** Sends commands as one frame. */
  send(commands) {
    this.#socket.send(codecs[format].encode(commands));
  }

  /** The next reply or push, in the order of arrival; pings are passed over. */
  async next() {
    const arrives = async () => {
      while (this.#replies.length === 0) await new Promise((wake) => { this.#wake = wake; });
      return this.#replies.shift();
    };
    return within(arrives(), 'a reply');
  }

  close() {
    this.#socket.close();
  }
}
