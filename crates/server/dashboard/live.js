// Keeping what is shown up to date.

/**
 * Calls `f` now and again after `ms`, while the page is looked at and until `signal` is aborted. One call
 * at a time; what it throws goes to `failed`. Returns a function that calls it at once.
 */
export function every(ms, signal, f, failed = () => {}) {
  let timer = null;
  let busy = false;
  let again = false;
  const turn = async () => {
    clearTimeout(timer);
    if (signal.aborted) return;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      if (!document.hidden) await f();
    } catch (error) {
      if (error.name !== "AbortError" && !signal.aborted) failed(error);
    }
    busy = false;
    if (signal.aborted) return;
    timer = setTimeout(turn, again ? 50 : ms);
    again = false;
  };
  const look = () => !document.hidden && turn();
  document.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  });
  turn();
  return turn;
}

/** `f`, but many calls within `ms` are one. */
export function soon(ms, signal, f) {
  let timer = null;
  return () => {
    if (timer !== null || signal.aborted) return;
    timer = setTimeout(() => {
      timer = null;
      if (!signal.aborted) f();
    }, ms);
  };
}
