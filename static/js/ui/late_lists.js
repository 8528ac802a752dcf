// The lists that a key or a button opens; their script is loaded for the first one.

import { messageOf } from "../core/http.js";
import { lazy } from "../core/lazy.js";
import { showError } from "./toast.js";

const load = lazy(() => import("./lists.js"), ({ lists }) => lists);

let isOpening = false; // or one is open that resolves when it is closed

/** Open "commands", "shortcuts", or "prompts" with a text to search for; resolves to what it does, null after an error. */
export async function openList(name, text) {
  if (isOpening) return null;
  isOpening = true;
  try {
    return await (await load())[name](text);
  } catch (error) {
    showError(messageOf(error));
    return null;
  } finally {
    isOpening = false;
  }
}
