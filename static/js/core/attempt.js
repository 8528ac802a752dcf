// What may fail, and what is said then.

import { messageOf } from "./http.js";

/** Resolves to what work() resolves to, after a failure to what onFailure(sentence to show, error) returns. */
export async function attempt(work, onFailure) {
  try {
    return await work();
  } catch (error) {
    return onFailure(messageOf(error), error);
  }
}
