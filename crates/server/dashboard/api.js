// Talking to the server. Every failure is a Failure, which says what to do.

import { keepTime } from "./format.js";

/** An answer that is no success, or no answer. */
export class Failure extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }

  /** Whether it may go away by itself. */
  get isPassing() {
    return this.status === 0 || this.status === 503 || this.status === 429;
  }
}

const listeners = { connection: new Set(), lost: new Set() };
let csrfToken = null;
let isConnected = true;

/** Sent with every request that changes something. */
export function useToken(token) {
  csrfToken = token;
}

/** Calls `f` with whether the server answers, when that changes. */
export function onConnection(f) {
  listeners.connection.add(f);
}

/** Calls `f` when the server does not know the session any more. */
export function onSessionLost(f) {
  listeners.lost.add(f);
}

export function reachable(answers) {
  if (answers === isConnected) return;
  isConnected = answers;
  listeners.connection.forEach((f) => f(answers));
}

/** `GET`s JSON. */
export const get = (path, options) => call("GET", path, undefined, options);
export const post = (path, body, options) => call("POST", path, body, options);
export const patch = (path, body, options) => call("PATCH", path, body, options);
export const remove = (path, options) => call("DELETE", path, undefined, options);

async function call(method, path, body, { signal, headers = {} } = {}) {
  const response = await request(path, {
    method,
    signal,
    headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return response.status === 204 ? null : response.json();
}

/** A request, and its answer if it is a success. */
export async function request(path, options) {
  const headers = new Headers(options.headers);
  if (csrfToken && options.method !== "GET") headers.set("x-csrf-token", csrfToken);
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    reachable(false);
    throw new Failure(0, "unreachable", "The server does not answer. Is it running? What you see is what it last said.");
  }
  reachable(true);
  keepTime(response.headers.get("date"));
  if (response.ok) return response;
  const failure = await failureOf(response);
  if (response.status === 401 && path !== "/dashboard/session") listeners.lost.forEach((f) => f(failure));
  throw failure;
}

async function failureOf(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch { /* a proxy's own answer */ }
  const detail = problem.detail ?? `The server answered ${response.status} ${response.statusText}.`;
  return new Failure(response.status, problem.code ?? "unknown", detail);
}

/** A path with its parameters; those that are null, undefined or empty are left out. */
export function path(base, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `${base}?${text}` : base;
}

/** An id as a part of a path. */
export const part = (id) => encodeURIComponent(id);
