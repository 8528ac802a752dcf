// The lists that a key or a button opens; their script is loaded for the first one.

import { messageOf } from "../core/http.js";
import { lazy } from "../core/lazy.js";
import { showError } from "./toast.js";

const load = lazy(() => import("./lists.js"), ({ lists }) => lists);

let isLoading = false;

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
    return await (await load())[name]({ text, takeTyped });
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
