// Numbers and times as people read them.

import { h } from "./h.js";

const COUNT = new Intl.NumberFormat("en");
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const MOMENT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", hourCycle: "h23" });
const CLOCK = new Intl.DateTimeFormat("en", { timeStyle: "medium", hourCycle: "h23" });

export const count = (number) => COUNT.format(number);
export const compact = (number) => (number < 10000 ? COUNT.format(number) : COMPACT.format(number));

/** One thing, or several: `plural(2, "message")`. */
export const plural = (number, noun, nouns = `${noun}s`) => `${count(number)} ${number === 1 ? noun : nouns}`;

/** A duration in milliseconds. */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1) return "<1 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(s % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export const between = (from, to) => (from && to ? Math.max(0, new Date(to) - new Date(from)) : null);

export const moment = (text) => MOMENT.format(new Date(text));
export const clock = (text) => CLOCK.format(new Date(text));

const SKEW_MAX_MS = 5000;
let skew = 0;

/** Takes the server's time from an answer: this machine's clock may be wrong, and ages with it. */
export function keepTime(date) {
  const ahead = date ? Date.now() - new Date(date) : 0;
  skew = Math.abs(ahead) > SKEW_MAX_MS ? ahead : 0;
}

/** How long ago, kept up to date; the exact time is its title. */
export function age(text) {
  if (!text) return "–";
  return h("time", { datetime: text, title: moment(text), "data-age": true }, ago(text));
}

function ago(text) {
  const ms = Date.now() - skew - new Date(text);
  if (ms < -1500) return `in ${roughly(-ms)}`;
  if (ms < 4000) return "just now";
  return `${roughly(ms)} ago`;
}

function roughly(ms) {
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  const minutes = Math.round(s / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  if (hours < 48) return `${hours} h`;
  return `${Math.round(hours / 24)} d`;
}

/** Lets all ages on the page grow. */
export function keepAges() {
  setInterval(() => {
    if (document.hidden) return;
    for (const element of document.querySelectorAll("time[data-age]")) {
      const text = ago(element.dateTime);
      if (element.textContent !== text) element.textContent = text;
    }
  }, 1000);
}

/** The end of a long id tells more than its beginning, which is a time. */
export const short = (id) => (/^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(id) ? `…${id.slice(-8)}` : id);
