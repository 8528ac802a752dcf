// Earlier prompts for a field: Ctrl+↑, or ↑ where it is empty, opens their list.

import { openList } from "./late_lists.js";

const LONGEST_SEARCH = 20; // a longer text is not what is looked for

/** isOffered(event) tells whether the field takes a prompt now; insert(prompt) puts the chosen one into it. Returns open(). */
export function bindEarlierPrompts(field, { isOffered = () => true, insert }) {
  async function open() {
    const text = field.value.trim();
    const chosen = await openList("prompts", text.length > LONGEST_SEARCH ? "" : text);
    if (chosen !== null) insert(chosen);
  }

  field.addEventListener("keydown", (event) => {
    const isAsked = event.ctrlKey || event.metaKey || field.value === "";
    if (event.key !== "ArrowUp" || event.shiftKey || event.altKey || !isAsked || !isOffered(event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    open();
  }, { capture: true });
  return open;
}
