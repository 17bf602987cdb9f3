// The live connection: one socket for every page, that comes back by itself and goes on where it was.

import { address, currentKey, onKey } from "./api.js";

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 10_000;
const SILENT_FACTOR = 3; // heartbeats missed in a row before the connection counts as dead
const NO_RETURN = new Set([4401]);

let socket = null;
let state = "connecting";
let welcome = null;
let attempts = 0;
let timer = 0;
let watchdog = 0;
let lastFrame = 0;
let keyRefused = false;
let crowded = null; // the server's sentence while all connections of the tier are taken by others
let patience = 0;
const wanted = new Map(); // "prices|BTC" → {channel, symbol, listeners, last, since}
const stateListeners = new Set();
const frameListeners = new Set();
const pending = { subscribe: new Set(), unsubscribe: new Set() };
let flushing = false;

const name = (channel, symbol) => (symbol === null ? channel : `${channel}|${symbol}`);

function tell(next) {
  state = next;
  for (const listener of stateListeners) listener(state, welcome);
}

/** Calls back with `(state, welcome)` now and at each change; `live`, `connecting`, `reconnecting`, `offline` or `crowded`. */
export function onState(listener) {
  stateListeners.add(listener);
  listener(state, welcome);
  return () => stateListeners.delete(listener);
}

/** Calls back with every frame, whatever it is about. */
export function onFrame(listener) {
  frameListeners.add(listener);
  return () => frameListeners.delete(listener);
}

/** How many subscriptions a connection may have; 20 until the server has said so, null is without a bound. */
export const allowance = () => (welcome ? welcome.subscriptions_allowed || null : 20);

/**
 * Follows a channel, of these symbols where it goes by symbol. Several may follow the same; a follower that comes later is
 * given the newest state first where a frame is the whole state. Gives what ends it.
 */
export function watch(channel, symbols, listener) {
  const names = symbols === null ? [null] : symbols;
  for (const symbol of names) {
    const id = name(channel, symbol);
    let entry = wanted.get(id);
    if (!entry) {
      entry = { channel, symbol, listeners: new Set(), last: null, since: null };
      wanted.set(id, entry);
      later("subscribe", id);
    } else if (entry.last) {
      listener(entry.last);
    }
    entry.listeners.add(listener);
  }
  return () => {
    for (const symbol of names) {
      const id = name(channel, symbol);
      const entry = wanted.get(id);
      if (!entry) continue;
      entry.listeners.delete(listener);
      if (entry.listeners.size === 0) {
        wanted.delete(id);
        later("unsubscribe", id);
      }
    }
  };
}

// A page that scrolls changes dozens of subscriptions at once: they leave together, and what came and went not at all.
function later(action, id) {
  const other = action === "subscribe" ? "unsubscribe" : "subscribe";
  if (!pending[other].delete(id)) pending[action].add(id);
  if (flushing) return;
  flushing = true;
  queueMicrotask(() => {
    flushing = false;
    if (state !== "live") return;
    group("unsubscribe", [...pending.unsubscribe].map(split));
    subscribe([...pending.subscribe].map((each) => wanted.get(each)).filter(Boolean));
    pending.subscribe.clear();
    pending.unsubscribe.clear();
  });
}

function split(id) {
  const at = id.indexOf("|");
  return at < 0 ? { channel: id, symbol: null } : { channel: id.slice(0, at), symbol: id.slice(at + 1) };
}

function group(action, entries, more = () => ({})) {
  const channels = new Map();
  for (const entry of entries) channels.set(entry.channel, [...(channels.get(entry.channel) ?? []), entry]);
  for (const [channel, members] of channels) {
    const symbols = members.filter((entry) => entry.symbol !== null).map((entry) => entry.symbol);
    write({ action, channel, ...(symbols.length ? { symbols } : {}), ...more(members) });
  }
}

function subscribe(entries) {
  group("subscribe", entries, (members) => {
    const known = members.filter((entry) => entry.since !== null);
    if (!known.length) return {};
    const epoch = known[0].since.epoch;
    const since = members[0].symbol === null
      ? members[0].since.seq
      : Object.fromEntries(known.filter((entry) => entry.since.epoch === epoch).map((entry) => [entry.symbol, entry.since.seq]));
    return { since, epoch };
  });
}

function write(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function received(frame) {
  lastFrame = performance.now();
  if (crowded && ["subscribed", "snapshot", "update"].includes(frame.type)) {
    crowded = null;
    tell("live");
  }
  if (frame.type === "welcome") {
    attempts = 0;
    const returned = welcome !== null;
    welcome = frame.data;
    crowded = null;
    if (currentKey()) write({ action: "auth", token: currentKey() });
    everything();
    tell("live");
    if (returned) document.dispatchEvent(new CustomEvent("serverreturn"));
  } else if (frame.type === "authenticated") {
    welcome = { ...welcome, ...frame.data };
    tell("live");
  } else if (frame.type === "error" && frame.details?.policy === "connections") {
    wait(frame);
  } else if (frame.type === "snapshot" || frame.type === "update") {
    const entry = wanted.get(name(frame.channel, frame.symbol ?? null));
    if (entry) {
      entry.since = { seq: frame.seq, epoch: frame.epoch };
      entry.last = frame;
      for (const listener of entry.listeners) listener(frame);
    }
  }
  for (const listener of frameListeners) listener(frame);
}

function everything() {
  pending.subscribe.clear();
  pending.unsubscribe.clear();
  subscribe([...wanted.values()]);
}

// Connected, yet with nothing on it: other pages hold all connections of the tier. One of them may be closed any time.
function wait(frame) {
  clearTimeout(patience);
  patience = setTimeout(() => {
    if (!crowded || !socket) return;
    write({ action: "subscribe", channel: "system" });
    everything();
  }, Math.max(5, frame.retry_after ?? 0) * 1000 * (1 + Math.random()));
  const news = !crowded;
  crowded = frame.error;
  if (news) tell("crowded");
}

/** Why nothing comes, in the server's words, or null. */
export const crowd = () => crowded;

function open() {
  clearTimeout(timer);
  clearTimeout(patience);
  crowded = null;
  const url = address("ws", { channels: "system" });
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  tell(welcome ? "reconnecting" : "connecting");
  const mine = new WebSocket(url);
  socket = mine;
  lastFrame = performance.now();
  mine.onmessage = (event) => {
    if (mine !== socket) return;
    let frame = null;
    try {
      frame = JSON.parse(event.data);
    } catch {
      return;
    }
    received(frame);
  };
  mine.onclose = (event) => {
    if (mine === socket) closed(event.code);
  };
}

function closed(code) {
  socket = null;
  if (NO_RETURN.has(code)) keyRefused = true;
  attempts += 1;
  const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempts);
  // At random over the whole span: a server that restarts must not meet all its pages in the same moment.
  timer = setTimeout(open, longest / 2 + Math.random() * (longest / 2));
  tell(attempts > 3 || !navigator.onLine ? "offline" : "reconnecting");
}

function again() {
  const old = socket;
  socket = null;
  attempts = 0;
  old?.close(1000);
  open();
}

/** Whether the server ended the connection because of the key. */
export const refused = () => keyRefused;

/** Connects, and keeps doing so as long as the page is open. */
export function start() {
  open();
  watchdog = setInterval(() => {
    const bound = (welcome?.heartbeat_seconds ?? 10) * SILENT_FACTOR * 1000;
    if (socket && performance.now() - lastFrame > bound) again();
  }, 5_000);
  addEventListener("online", again);
  addEventListener("pagehide", () => {
    clearInterval(watchdog);
    clearTimeout(timer);
    const old = socket;
    socket = null;
    old?.close(1000);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) start();
  });
  onKey(() => {
    keyRefused = false;
    again();
  });
}
