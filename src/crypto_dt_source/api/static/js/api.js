// The REST API: one place that asks, shows the key, keeps answers for a moment and understands the one error shape.

import { told } from "./format.js";

const FRESH_MS = 5_000;
const KEPT = 60;
const BASE = new URL("./", document.baseURI);
const answers = new Map();
let key = "";
const changed = new Set();

/** What a refused or failed request is thrown as. `status` 0: the server was not reached. `retryAfter` in seconds, or null. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error ?? (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.status = status;
    this.code = body?.code ?? (status ? "unknown" : "offline");
    this.details = body?.details ?? {};
    this.requestId = body?.request_id ?? null;
    this.retryAfter = body?.retry_after ?? null;
  }
}

export const hasKey = () => key !== "";

/** Uses this key from now on; an empty text forgets it. It stays in this page's memory alone and is gone with the page. */
export function useKey(secret) {
  key = secret;
  answers.clear();
  for (const listener of changed) listener();
}

/** Calls back whenever another key is used; gives what ends that. */
export function onKey(listener) {
  changed.add(listener);
  return () => changed.delete(listener);
}

let lastLimits = null;
const limitListeners = new Set();

/** The RateLimit headers of the newest answer that had them: `{policy, left}`, or null. */
export const limits = () => lastLimits;

/** Calls back when an answer named its limits; gives what ends that. */
export function onLimits(listener) {
  limitListeners.add(listener);
  return () => limitListeners.delete(listener);
}

function noteLimits(headers) {
  const policy = headers.get("ratelimit-policy");
  if (policy === null) return;
  lastLimits = { policy, left: headers.get("ratelimit") };
  for (const listener of limitListeners) listener();
}

/** What a stream shows as its token. */
export const currentKey = () => key;

/** The address of a path of this server with its parameters; those that are null or empty are left out. */
export function address(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

/** One request, whatever it answers: `{status, headers, text, ms}`. Throws ApiError where the server is not reached. */
export async function send(method, path, { query, body, type = "application/json", signal, key: other } = {}) {
  const headers = {};
  const shown = other ?? key;
  if (shown) headers["X-API-Key"] = shown;
  if (body !== undefined) headers["Content-Type"] = type;
  const [begun, sent] = [performance.now(), Date.now()];
  try {
    const answer = await fetch(address(path, query), {
      method, headers, signal, credentials: "omit", cache: "no-store",
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
    });
    told(answer.headers.get("date"), sent, Date.now());
    noteLimits(answer.headers);
    return { status: answer.status, headers: answer.headers, text: await answer.text(), ms: performance.now() - begun };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, null);
  }
}

async function ask(method, path, options) {
  const answer = await send(method, path, options);
  let body = null;
  try {
    body = answer.text ? JSON.parse(answer.text) : null;
  } catch {
    body = null;
  }
  if (answer.status >= 400) {
    throw new ApiError(answer.status, body);
  }
  return body;
}

/**
 * The JSON of a GET. An answer younger than `freshMs` is given again without asking, one under way is shared: the free tier
 * has 30 requests a minute, and going back and forth between pages must not use them up.
 */
export function get(path, { query, freshMs = FRESH_MS, signal } = {}) {
  const url = address(path, query).href;
  const known = answers.get(url);
  if (known && performance.now() - known.at < freshMs) return known.body;
  const body = ask("GET", path, { query });
  answers.delete(url);
  answers.set(url, { at: performance.now(), body });
  if (answers.size > KEPT) answers.delete(answers.keys().next().value);
  body.catch(() => {
    if (answers.get(url)?.body === body) answers.delete(url);
  });
  if (!signal) return body;
  // Shared with other askers: who leaves a page stops waiting, the request goes on.
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new DOMException("left", "AbortError")), { once: true });
    body.then(resolve, reject);
  });
}

/** A request that changes something; what was kept is forgotten, for it may show the state before. */
export async function change(method, path, options = {}) {
  const body = await ask(method, path, options);
  answers.clear();
  return body;
}
