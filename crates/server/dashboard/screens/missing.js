// No such address.

import { fill, h } from "../h.js";
import { empty, head } from "../parts.js";

export function missing({ main, title }) {
  title("Not here");
  fill(main, head({ title: "Not here" }),
    empty("There is nothing at this address", "Perhaps the link was cut off.",
      h("a", { class: "button", href: "#/" }, "To the overview")));
}
