// Building the page. What comes from the server is only ever text: nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: `h("a", { href: "#/", class: "quiet", onclick: f }, "text", child, …)`.
 * Children that are null, undefined or false are left out; lists are taken apart.
 */
export function h(name, attributes, ...children) {
  return build(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes, ...children) {
  return build(document.createElementNS(SVG, name), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else element.setAttribute(name, value === true ? "" : safe(name, value));
  }
  element.append(...nodes(children));
  return element;
}

/** A link never runs anything, whatever it was made of. */
function safe(name, value) {
  if (name !== "href") return String(value);
  return /^(#|\/(?!\/)|https?:\/\/)/.test(value) ? String(value) : "#/";
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Puts these children in the place of those that are there; the same ones are not touched. */
export function fill(parent, ...children) {
  const wanted = nodes(children);
  const there = parent.childNodes;
  const isSame = wanted.length === there.length && wanted.every((child, at) => child === there[at]);
  if (!isSame) parent.replaceChildren(...wanted);
  return parent;
}

/**
 * Makes the children of `parent` those of `items`. What has not changed stays the same element, so that
 * the focus, a selection and what was typed stay too.
 */
export function reconcile(parent, items, key, make) {
  const known = new Map();
  for (const child of parent.children) known.set(child.dataset.key, child);
  const wanted = items.map((item) => {
    const name = String(key(item));
    const shape = JSON.stringify(item);
    const old = known.get(name);
    if (old && old.postroomShape === shape) return old;
    const element = make(item);
    element.dataset.key = name;
    element.postroomShape = shape;
    if (old) keepFocus(old, element);
    return element;
  });
  let at = parent.firstElementChild;
  for (const element of wanted) {
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  while (at) {
    const next = at.nextElementSibling;
    at.remove();
    at = next;
  }
  restoreFocus();
}

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
let toFocus = null;

function keepFocus(old, element) {
  if (!old.contains(document.activeElement)) return;
  const place = [...old.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  toFocus = [...element.querySelectorAll(FOCUSABLE)][place] ?? null;
}

function restoreFocus() {
  toFocus?.focus({ preventScroll: true });
  toFocus = null;
}
