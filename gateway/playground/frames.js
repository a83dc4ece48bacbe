/**
 * The raw frames panel: every frame of the socket as it was, newest last.
 *
 * In: `{ direction, text }`. Out: rows that can be paused, filtered, cleared and copied. The one change made to a frame
 * is that the connection token is masked: it is a secret, and frames get pasted into bug reports.
 */

import { BoundedLog, clock, element } from './log.js';

const ARROWS = { sent: '\u2191', received: '\u2193', socket: '\u00b7' };

export class FramesPanel {
  #log;
  #secret = '';

  constructor(root, announce) {
    const find = (name) => root.querySelector(`#frames-${name}`);
    this.announce = announce;
    this.filter = find('filter');
    this.pings = find('pings');
    this.pause = find('pause');
    this.summary = find('summary');
    this.#log = new BoundedLog(find('log'), frameRow, (counts) => this.#summarise(counts));
    this.filter.addEventListener('input', () => this.#applyFilter());
    this.pings.addEventListener('change', () => this.#applyFilter());
    this.pause.addEventListener('click', () => this.#togglePause());
    find('clear').addEventListener('click', () => { this.#log.clear(); announce('Frames cleared'); });
    find('copy').addEventListener('click', () => this.#copy());
    this.#applyFilter();
  }

  /** The token to mask from here on. */
  set secret(token) {
    this.#secret = token && `"token":${JSON.stringify(token)}`;
  }

  add({ direction, text }) {
    const masked = this.#secret ? text.replaceAll(this.#secret, '"token":"[hidden]"') : text;
    this.#log.add({ time: clock(), direction, kind: kind(direction, text), text: masked });
  }

  #applyFilter() {
    const wanted = this.filter.value.trim().toLowerCase();
    const withPings = this.pings.checked;
    this.#log.filter = ({ kind, text }) =>
      (withPings || (kind !== 'ping' && kind !== 'pong')) && `${kind} ${text}`.toLowerCase().includes(wanted);
  }

  #togglePause() {
    this.#log.paused = !this.#log.paused;
    this.pause.setAttribute('aria-pressed', String(this.#log.paused));
    this.announce(this.#log.paused ? 'Frames paused' : 'Frames follow again');
  }

  #summarise({ total, kept, shown }) {
    const parts = [`${total} ${total === 1 ? 'frame' : 'frames'}`];
    if (shown < kept) parts.push(`${shown} shown`);
    if (total > kept) parts.push(`${kept} kept`);
    if (this.#log.paused) parts.push('paused');
    this.summary.textContent = parts.join(', ');
  }

  async #copy() {
    const text = this.#log.shown.map((frame) => `${frame.time} ${frame.kind} ${frame.text}`).join('\n');
    try {
      await navigator.clipboard.writeText(text);
      this.announce('Frames copied', true);
    } catch {
      // Browsers keep the clipboard from pages served without TLS. The user's own copy always works.
      getSelection().selectAllChildren(this.#log.list);
      this.announce('Frames selected: press Ctrl+C to copy', true);
    }
  }
}

/** An empty object is the protocol's heartbeat: a ping from the server, a pong from here. */
function kind(direction, text) {
  if (text.trim() !== '{}') return direction;
  return direction === 'sent' ? 'pong' : 'ping';
}

function frameRow({ time, direction, kind, text }) {
  const row = element('li', `frame ${direction}`);
  const head = element('p', 'row-head');
  const arrow = element('span', 'arrow', ARROWS[direction]);
  arrow.setAttribute('aria-hidden', 'true');
  head.append(arrow, element('span', 'kind', kind), element('time', '', time));
  row.append(head, element('pre', '', text));
  return row;
}
