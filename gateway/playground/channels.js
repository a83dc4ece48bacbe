/**
 * The subscribed channels: a list to choose from, and for each channel a panel with its log and its presence.
 *
 * In: subscription states, publications, joins and leaves. Out: which channel is selected, and the wish to unsubscribe
 * from one or to see who is there, told through the handlers. It speaks to no server.
 */

import { BoundedLog, LIMIT, clock, element, name } from './log.js';
import { PresenceView } from './presence.js';

const STATES = { subscribing: 'subscribing', subscribed: 'subscribed', waiting: 'waiting for the connection' };

export class ChannelList {
  selected = null;
  #views = new Map();

  /** Handlers: `select(channel | null)`, `unsubscribe(channel)`, `presence(channel)`. */
  constructor({ list, area, template, handlers }) {
    Object.assign(this, { list, area, template, handlers });
  }

  /** Makes the panel with the first success, so that a refused channel leaves nothing behind. */
  update({ subscription, result, code, reason }) {
    const { channel, state } = subscription;
    if (state === 'removed') return this.#remove(channel);
    if (state === 'subscribed' && !this.#views.has(channel)) this.#add(channel);
    const view = this.#views.get(channel);
    if (!view) return;
    view.facts.textContent = facts(subscription, { result, code, reason });
    view.entry.dataset.state = state;
    view.unsubscribe.textContent = state === 'ended' ? 'Remove' : 'Unsubscribe';
  }

  publication(channel, publication) {
    const view = this.#views.get(channel);
    if (!view) return;
    view.total += 1;
    view.count.textContent = String(view.total);
    view.log.add({ time: clock(), ...described(publication, channel) });
  }

  /** `what` is `joined` or `left`. */
  movement(channel, what, info) {
    const view = this.#views.get(channel);
    if (!view) return;
    view.log.add({ time: clock(), who: `${name(info)} ${what}`, text: '' });
    view.presence.moved(what, info);
  }

  /** Where to show who is on a channel; nothing for one that is not listed. */
  presence(channel) {
    return this.#views.get(channel)?.presence;
  }

  has(channel) {
    return this.#views.has(channel);
  }

  select(channel) {
    this.selected = channel;
    for (const [key, view] of this.#views) {
      const chosen = key === channel;
      view.panel.hidden = !chosen;
      view.button.setAttribute('aria-current', String(chosen));
    }
    this.handlers.select(channel);
  }

  /** Selects the neighbour `by` places further, around the end, and puts the focus on it. */
  step(by) {
    const channels = [...this.#views.keys()];
    if (channels.length === 0) return;
    const next = (channels.indexOf(this.selected) + by + channels.length) % channels.length;
    this.select(channels[next]);
    this.focusSelected();
  }

  focusSelected() {
    this.#views.get(this.selected)?.button.focus();
  }

  #add(channel) {
    const panel = this.template.content.firstElementChild.cloneNode(true);
    const find = (part) => panel.querySelector(`.${part}`);
    const entry = element('li');
    const button = element('button', 'channel-button');
    const count = element('span', 'count', '0');
    button.type = 'button';
    button.append(element('span', 'channel-name', channel), count, element('span', 'visually-hidden', 'publications'));
    entry.append(button);
    const view = {
      panel, entry, button, count, total: 0,
      facts: find('facts'), unsubscribe: find('unsubscribe'),
      presence: new PresenceView({ area: find('presence'), text: find('presence-text'), list: find('present') }),
    };
    view.log = new BoundedLog(find('log'), publicationRow, (counts) => summarise(find('log-summary'), counts));
    find('channel-title').textContent = channel;
    panel.setAttribute('aria-label', `Channel ${channel}`);
    find('log').setAttribute('aria-label', `Publications on ${channel}`);
    button.addEventListener('click', () => this.select(channel));
    view.unsubscribe.addEventListener('click', () => this.handlers.unsubscribe(channel));
    find('presence-button').addEventListener('click', () => this.handlers.presence(channel));
    find('clear-button').addEventListener('click', () => view.log.clear());
    this.#views.set(channel, view);
    this.list.append(entry);
    this.area.append(panel);
    summarise(find('log-summary'), { total: 0, kept: 0 });
    if (this.selected === null) this.select(channel);
  }

  #remove(channel) {
    const view = this.#views.get(channel);
    if (!view) return;
    const hadFocus = view.panel.contains(document.activeElement) || view.entry.contains(document.activeElement);
    view.panel.remove();
    view.entry.remove();
    this.#views.delete(channel);
    if (this.selected === channel) this.select([...this.#views.keys()].at(-1) ?? null);
    if (hadFocus) this.focusSelected();
  }
}

function facts({ channel, state, serverSide, recoverable }, { result, code, reason }) {
  const parts = [state === 'ended' ? `ended${code ? ` with ${code}` : ''}: ${reason}` : STATES[state]];
  if (serverSide) parts.push('by the server');
  if (state === 'subscribed' && recoverable) parts.push('recoverable');
  if (result?.was_recovering) parts.push(result.recovered ? 'nothing missed' : 'some publications were missed');
  if (channel.startsWith('$')) parts.push('private');
  return parts.join(', ');
}

function described({ data, offset, info, tags, channel: origin, removed, key }, channel) {
  const parts = [];
  if (offset) parts.push(`offset ${offset}`);
  if (origin && origin !== channel) parts.push(`on ${origin}`);
  if (key) parts.push(`key ${key}${removed ? ' removed' : ''}`);
  if (tags) parts.push(`tags ${JSON.stringify(tags)}`);
  return { who: info ? name(info) : 'server API', note: parts.join(', '), text: JSON.stringify(data) ?? '' };
}

function publicationRow({ time, who, note, text }) {
  const row = element('li', 'publication');
  const head = element('p', 'row-head');
  head.append(element('span', 'who', who));
  if (note) head.append(element('span', '', note));
  head.append(element('time', '', time));
  row.append(head);
  if (text) row.append(element('pre', '', text));
  return row;
}

function summarise(target, { total, kept }) {
  if (total === 0) target.textContent = 'No rows yet.';
  else if (total > kept) target.textContent = `The last ${kept} of ${total} rows are kept.`;
  else target.textContent = `${total} ${total === 1 ? 'row' : 'rows'}, at most ${LIMIT} are kept.`;
}
