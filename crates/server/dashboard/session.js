// Who is here, and what they may do.

import { get, post, remove, useToken } from "./api.js";

const EVERYTHING = { tenant: null, scopes: ["read", "write", "admin"], csrf_token: null, needsKey: false };

let session = EVERYTHING;

/** Asks the server; null where a key must be given first. */
export async function open() {
  try {
    take(await get("/dashboard/session"));
  } catch (failure) {
    if (failure.status === 401) return null;
    // A server without sessions asks for no keys.
    if (failure.status !== 404) throw failure;
    take(EVERYTHING);
  }
  return session;
}

/** Begins a session with a key. */
export async function logIn(key) {
  take(await post("/dashboard/session", { key }));
}

export async function logOut() {
  await remove("/dashboard/session");
  useToken(null);
}

function take(answer) {
  session = { needsKey: answer.csrf_token !== null, ...answer };
  useToken(session.csrf_token);
}

/** Whether the session's key has the scope; who may administer may write, who may write may read. */
export function can(scope) {
  const order = ["read", "write", "admin"];
  return session.scopes.some((held) => order.indexOf(held) >= order.indexOf(scope));
}

/** Whether the session's key is of those who run the installation: others see nothing of its nodes. */
export function operates() {
  return (session.tenant ?? "default") === "default" && can("admin");
}

export const current = () => session;
