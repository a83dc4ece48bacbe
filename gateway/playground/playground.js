/**
 * The page: joins the forms, the client, the channel list and the frames panel.
 *
 * In: what the user does. Out: commands to the client, and for every outcome a line beside the control that caused it,
 * spoken through one live region.
 */

import { Client } from './client.js';
import { ChannelList } from './channels.js';
import { FramesPanel } from './frames.js';
import { currentTheme, memory, nextTheme } from './theme.js';

const SHORTCUTS_KEY = 'tidegate-playground-shortcuts';
/** What a newcomer most likely has to change after such an end, and in which field. */
const HINTS = {
  109: ['token', 'Ask your backend for a fresh token.'],
  1006: ['endpoint', 'Nothing answers here, or it does not accept pages from this origin.'],
  3500: ['token', 'The token is malformed, or signed with another key.'],
  3501: ['token', 'Refused. Without a token the server has to allow anonymous clients.'],
};

const byId = (id) => document.getElementById(id);
const page = {
  state: byId('state'), announcer: byId('announcer'), toast: byId('toast'), steps: byId('steps'),
  endpoint: byId('endpoint'), token: byId('token'), showToken: byId('show-token'),
  connectButton: byId('connect-button'), disconnectButton: byId('disconnect-button'),
  details: byId('connection-details'),
  channel: byId('channel'), payload: byId('payload'), target: byId('publish-target'), published: byId('publish-result'),
  welcome: byId('welcome'), help: byId('help'), theme: byId('theme-button'), shortcuts: byId('shortcuts-on'),
};

const client = new Client();
const frames = new FramesPanel(byId('frames'), announce);
const channels = new ChannelList({
  list: byId('channels'),
  area: byId('panels'),
  template: byId('channel-template'),
  handlers: { select: showSelected, unsubscribe, presence: refreshPresence },
});

// Saying things

/** Speaks through the live region; a new node each time, so that the same words are spoken twice. */
function announce(text, visibly = false) {
  const line = document.createElement('p');
  line.textContent = text;
  page.announcer.replaceChildren(line);
  if (visibly) page.toast.textContent = text;
}

/** Writes under the field what was wrong with it, or takes that away. */
function mark(field, text = '') {
  const place = byId(`${field.id}-error`);
  place.textContent = text;
  field.setAttribute('aria-invalid', String(text !== ''));
  if (text) announce(text);
}

/** `permission denied (103)`; codes below 100 are this page's own and say nothing. */
function words({ code, message }) {
  return code >= 100 ? `${message} (${code})` : message;
}

function describe({ name, code, reason, delay, result }) {
  const cause = [code > 3 ? code : '', reason].filter(Boolean).join(' ');
  switch (name) {
    case 'connecting': return 'Connecting';
    case 'connected': return `Connected as ${result.client}`;
    case 'waiting': return `Connection lost${cause ? ` (${cause})` : ''}, next try in ${(delay / 1000).toFixed(1)} s`;
    default: return cause ? `Disconnected: ${cause}` : 'Disconnected';
  }
}

// Connection

function showState(state) {
  page.state.textContent = describe(state);
  page.state.dataset.state = state.name;
  page.connectButton.textContent = state.name === 'disconnected' ? 'Connect' : 'Reconnect';
  page.disconnectButton.setAttribute('aria-disabled', String(state.name === 'disconnected'));
  showHint(state);
  showDetails(state.name === 'connected' ? state.result : null);
  showStep();
}

/** Stays while the client tries again, so that the page does not jump with every attempt. */
function showHint({ name, code, attempt }) {
  if (name === 'connecting' && attempt > 0) return;
  const [field, text] = HINTS[code] ?? [];
  for (const each of ['endpoint', 'token']) mark(page[each], each === field ? text : '');
}

function showDetails(result) {
  const seconds = (value) => `${value} s`;
  const rows = result ? [
    ['Server', result.version],
    ['Ping', result.ping ? `every ${seconds(result.ping)}` : 'none'],
    ['Expires', result.expires ? `in ${seconds(result.ttl)}` : 'no'],
  ] : [];
  page.details.hidden = rows.length === 0;
  page.details.replaceChildren(...rows.flatMap(([term, text]) => {
    const pair = [document.createElement('dt'), document.createElement('dd')];
    pair[0].textContent = term;
    pair[1].textContent = text;
    return pair;
  }));
}

function connect(event) {
  event.preventDefault();
  const endpoint = page.endpoint.value.trim();
  const token = page.token.value.trim();
  if (!/^wss?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint)) {
    mark(page.endpoint, 'The endpoint has to start with ws:// or wss:// and name a host.');
    page.endpoint.focus();
    return;
  }
  mark(page.endpoint);
  frames.secret = token;
  client.connect(endpoint, token);
}

function disconnect() {
  if (client.state.name === 'disconnected') announce('There is no connection to close');
  else client.disconnect();
}

function toggleToken() {
  const show = page.token.type === 'password';
  page.token.type = show ? 'text' : 'password';
  page.showToken.setAttribute('aria-pressed', String(show));
}

// Channels

async function subscribe(event) {
  event.preventDefault();
  const channel = page.channel.value.trim();
  const refusal = refuseChannel(channel);
  mark(page.channel, refusal);
  if (refusal) return page.channel.focus();
  if (client.subscriptions.get(channel)?.state === 'subscribed') {
    channels.select(channel);
    return announce(`Already subscribed to ${channel}`, true);
  }
  try {
    await client.subscribe(channel);
    page.channel.value = '';
    channels.select(channel);
    announce(`Subscribed to ${channel}`);
  } catch (error) {
    mark(page.channel, `${channel}: ${words(error)}`);
  }
}

function refuseChannel(channel) {
  if (channel === '') return 'Type the name of a channel, for example chat:lobby.';
  if (client.state.name !== 'connected') return 'Connect first, then subscribe.';
  return '';
}

async function unsubscribe(channel) {
  const next = client.unsubscribe(channel);
  if (channels.selected === null) page.channel.focus();
  try {
    await next;
    announce(`Unsubscribed from ${channel}`);
  } catch (error) {
    mark(page.channel, `${channel}: ${words(error)}`);
  }
}

async function refreshPresence(channel) {
  try {
    const number = await showPresence(channel);
    announce(`${number} ${number === 1 ? 'client' : 'clients'} on ${channel}`);
  } catch (error) {
    channels.presence(channel)?.refused(`Presence: ${words(error)}`);
    announce(`Presence: ${words(error)}`);
  }
}

async function showPresence(channel) {
  channels.presence(channel)?.asking();
  const clients = await client.presence(channel);
  channels.presence(channel)?.answered(clients);
  return Object.keys(clients).length;
}

function followSubscription(detail) {
  channels.update(detail);
  const { channel, state } = detail.subscription;
  // Nobody has asked: where the server does not say who is there, nothing is shown.
  if (state === 'subscribed') showPresence(channel).catch(() => channels.presence(channel)?.refused());
}

function showSelected(channel) {
  page.target.textContent = channel ?? 'the selected channel';
  page.target.className = channel === null ? '' : 'channel-name';
  page.welcome.hidden = channel !== null;
  showStep();
}

/** The welcome names three steps; the one to take now is the current one. */
function showStep() {
  const current = client.state.name === 'connected' ? 1 : 0;
  [...page.steps.children].forEach((step, index) => {
    if (index === current) step.setAttribute('aria-current', 'step');
    else step.removeAttribute('aria-current');
  });
}

// Publishing

async function publish(event) {
  event?.preventDefault();
  page.published.textContent = '';
  const channel = channels.selected;
  const refusal = refusePayload(channel);
  mark(page.payload, refusal);
  if (refusal) return page.payload.focus();
  try {
    await client.publish(channel, page.payload.value);
    page.published.textContent = `Accepted on ${channel}`;
    announce(`Published to ${channel}`);
  } catch (error) {
    mark(page.payload, `Not published: ${words(error)}`);
  }
}

function refusePayload(channel) {
  if (channel === null) return 'Subscribe to a channel first: it is published to the selected one.';
  if (page.payload.value.trim() === '') return 'Type a JSON value, for example {"text": "hello"}.';
  try {
    JSON.parse(page.payload.value);
    return client.state.name === 'connected' ? '' : 'Connect first, then publish.';
  } catch (error) {
    return `This is not JSON yet: ${error.message}`;
  }
}

// Keys

const KEYS = {
  '/': () => page.channel.focus(),
  p: () => page.payload.focus(),
  c: () => page.token.focus(),
  f: () => frames.filter.focus(),
  j: () => channels.step(1),
  k: () => channels.step(-1),
  t: () => switchTheme(),
  '?': () => page.help.showModal(),
};

function onKey(event) {
  const writing = event.target.closest('input:not([type=checkbox]), textarea');
  if (writing || page.help.open || event.ctrlKey || event.metaKey || event.altKey || !page.shortcuts.checked) return;
  if (!Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
}

function onPayloadKey(event) {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) publish(event);
}

function switchTheme() {
  announce(`Theme: ${nextTheme()}`);
  showTheme();
}

function showTheme() {
  page.theme.textContent = `Theme: ${currentTheme()}`;
}

// Joining

client.addEventListener('state', ({ detail }) => showState(detail));
client.addEventListener('frame', ({ detail }) => frames.add(detail));
client.addEventListener('subscription', ({ detail }) => followSubscription(detail));
client.addEventListener('publication', ({ detail }) => channels.publication(detail.channel, detail.publication));
client.addEventListener('join', ({ detail }) => channels.movement(detail.channel, 'joined', detail.info));
client.addEventListener('leave', ({ detail }) => channels.movement(detail.channel, 'left', detail.info));

byId('connection-form').addEventListener('submit', connect);
byId('subscribe-form').addEventListener('submit', subscribe);
byId('publish-form').addEventListener('submit', publish);
byId('help-button').addEventListener('click', () => page.help.showModal());
byId('help-close').addEventListener('click', () => page.help.close());
page.disconnectButton.addEventListener('click', disconnect);
page.showToken.addEventListener('click', toggleToken);
page.theme.addEventListener('click', switchTheme);
page.payload.addEventListener('keydown', onPayloadKey);
page.shortcuts.addEventListener('change', () => memory.set(SHORTCUTS_KEY, page.shortcuts.checked ? 'on' : 'off'));
document.addEventListener('keydown', onKey);

page.shortcuts.checked = memory.get(SHORTCUTS_KEY) !== 'off';
page.endpoint.value = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/connection/websocket`;
showTheme();
showState(client.state);
showSelected(null);
