// Server-sent events, read with fetch: unlike EventSource it says why a stream can't begin, and it can
// be told after which event to go on.

import { Failure, path as withQuery, reachable, request } from "./api.js";

const PAUSE_MS = { first: 500, longest: 15000 };

/**
 * Follows the events at `path` after the event `after` (null: from now on), until `signal` is aborted.
 * Calls `heard` with each, and `state` with "live", "waiting" or a Failure that trying again won't mend.
 * While nobody looks at the page the stream rests: browsers allow few connections to a server.
 */
export async function follow(path, { after, signal, heard, state = () => {} }) {
  let last = after;
  let pause = PAUSE_MS.first;
  while (!signal.aborted) {
    await untilVisible(signal);
    if (signal.aborted) return;
    const connection = new AbortController();
    const stop = () => connection.abort();
    const rest = () => document.hidden && stop();
    signal.addEventListener("abort", stop);
    document.addEventListener("visibilitychange", rest);
    try {
      const response = await request(withQuery(path, { after: last }), {
        method: "GET",
        headers: { accept: "text/event-stream" },
        signal: connection.signal,
      });
      state("live");
      await read(response.body, (event) => {
        pause = PAUSE_MS.first;
        if (last !== null) last = event.seq;
        heard(event);
      });
    } catch (error) {
      if (error instanceof Failure && !error.isPassing) {
        state(error);
        return;
      }
      if (error.name !== "AbortError") reachable(!(error instanceof TypeError));
    } finally {
      signal.removeEventListener("abort", stop);
      document.removeEventListener("visibilitychange", rest);
    }
    if (signal.aborted) return;
    state("waiting");
    await sleep(pause, signal);
    pause = Math.min(pause * 2, PAUSE_MS.longest);
  }
}

async function read(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    let end;
    while ((end = buffer.indexOf("\n\n")) >= 0) {
      const frame = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const data = frame.split("\n").find((line) => line.startsWith("data:"));
      if (data) heard(JSON.parse(data.slice(5)));
    }
  }
}

function untilVisible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look, { once: true });
  });
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
