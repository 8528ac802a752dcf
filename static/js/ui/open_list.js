// The lists that a key or a button opens; their script is loaded for the first one.

import { showError } from "./toast.js";
import { messageOf } from "../core/http.js";

let isLoading = false;
const LONGEST_SEARCH = 20; // a longer text is not what is looked for

/** Open "commands", "shortcuts", or "prompts" with a text to search for; resolves to what it does, null after an error or Escape. */
export async function openList(name, text) {
  if (isLoading) return null;
  isLoading = true;
  const typing = keepTyping();
  const takeTyped = () => {
    isLoading = false;
    return typing();
  };
  try {
    const { lists } = await import("./lists.js");
    return await lists[name]({ text, takeTyped });
  } catch (error) {
    showError(messageOf(error));
    return null;
  } finally {
    takeTyped();
  }
}

/**
 * Keep what is typed while a list or a bar is loaded: other listeners would take it for shortcuts, and Enter would press a button
 * of the page. Returns a function that ends this and returns the text, null after Escape: what is open on the page stays open.
 */
export function keepTyping() {
  const stop = new AbortController();
  let typed = "";
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      typed = null;
      stop.abort();
    } else if (event.key.length === 1) typed += event.key;
    else if (event.key === "Backspace") typed = typed.slice(0, -1);
    else if (event.key !== "Enter" && event.key !== "Delete") return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { capture: true, signal: stop.signal });
  return () => {
    stop.abort();
    return typed;
  };
}

// Earlier prompts for a field: Ctrl+↑, or ↑ where it is empty, opens their list.

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
