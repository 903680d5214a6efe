// Which screen an address is. Addresses are fragments (`#/threads/T`), so that the server has to know
// nothing of them.

const routes = [];

/** `pattern` has names in braces: `/threads/{thread}`. A screen is a function that fills the page. */
export function route(pattern, section, screen) {
  const names = [];
  const source = pattern.replace(/\{(\w+)\}/g, (_, name) => {
    names.push(name);
    return "([^/]+)";
  });
  routes.push({ expression: new RegExp(`^${source}$`), names, section, screen });
}

/** The screen of the address that is there now, with what stands in its braces and its query. */
export function here() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  for (const { expression, names, section, screen } of routes) {
    const found = expression.exec(path);
    if (!found) continue;
    try {
      const parameters = Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(found[at + 1])]));
      return { section, screen, parameters, query: new URLSearchParams(query) };
    } catch { /* a broken escape: no such address */ }
  }
  return { section: null, screen: null, parameters: {}, query: new URLSearchParams() };
}

/** The address of a place: `to("threads", id)`. */
export function to(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** Goes there. */
export function go(address) {
  location.hash = address;
}

/** Changes the query of this address without leaving the screen. */
export function note(parameters) {
  const [path] = (location.hash.slice(1) || "/").split("?");
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value) query.set(name, value);
  const text = query.toString();
  history.replaceState(null, "", `#${path}${text ? `?${text}` : ""}`);
}
