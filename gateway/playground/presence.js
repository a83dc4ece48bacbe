/**
 * Who is on one channel: what the server answered, followed from join to leave.
 *
 * In: answers to `presence`, or why there is none, and the joins and leaves since. Out: one line, and a row for each client.
 * Rows are written once a frame of the screen, so a storm of joins cannot block the page.
 */

import { LIMIT, clock, element, name } from './log.js';

export class PresenceView {
  /** By client; `null` while the server has not said who is there. */
  #clients = null;
  /** Joins and leaves while an answer is on its way, which may be older than they are. */
  #since = [];
  #scheduled = false;

  constructor({ area, text, list }) {
    Object.assign(this, { area, text, list });
  }

  /** To be called when the server is asked. */
  asking() {
    this.#since = [];
  }

  answered(clients) {
    this.#clients = new Map(Object.entries(clients));
    for (const { what, info } of this.#since) this.#apply(what, info);
    this.#write();
  }

  /** `text` says why nobody is shown; nothing is said without it. */
  refused(text = '') {
    this.#clients = null;
    this.list.replaceChildren();
    this.area.hidden = text === '';
    if (text) this.#say(text);
  }

  /** `what` is `joined` or `left`. */
  moved(what, info) {
    this.#since.push({ what, info });
    if (this.#since.length > LIMIT) this.#since.shift();
    if (this.#clients === null) return;
    this.#apply(what, info);
    this.#schedule();
  }

  #apply(what, info) {
    if (what === 'joined') this.#clients.set(info.client, info);
    else this.#clients.delete(info.client);
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#write());
  }

  #write() {
    this.#scheduled = false;
    if (this.#clients === null) return;
    const number = this.#clients.size;
    const bound = number > LIMIT ? `, the first ${LIMIT} listed` : '';
    this.list.replaceChildren(...[...this.#clients.values()].slice(0, LIMIT).map(row));
    this.#say(`${number} ${number === 1 ? 'client' : 'clients'} present${bound}`);
  }

  #say(text) {
    this.text.textContent = `${text}, as of ${clock().slice(0, 8)}`;
    this.area.hidden = false;
  }
}

function row(info) {
  const line = element('li');
  line.append(element('span', 'who', name(info)), element('code', '', info.client));
  for (const key of ['conn_info', 'chan_info']) {
    if (info[key] !== undefined) line.append(element('code', '', `${key} ${JSON.stringify(info[key])}`));
  }
  return line;
}
