// Commands of an element, whose failure is shown in it.

import { showError } from "./toast.js";
import { HttpError } from "../core/http.js";

/** Call run() unless `owner` is busy; why it failed is shown in its data-error. A choice (`name`) can be changed while it is saved. */
export async function runInPlace(owner, run, button, name = "") {
  const isChoice = name === "keep" || name === "reject";
  if (owner.dataset.busy && !isChoice) return;
  const errorElement = owner.querySelector("[data-error]");
  const busyElements = isChoice ? [] : [owner, button].filter(Boolean);
  errorElement.textContent = "";
  for (const { dataset } of busyElements) dataset.busy = "yes";
  try {
    await run();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    if (owner.isConnected) errorElement.textContent = error.message;
    else showError(error.message); // it was rendered anew meanwhile
  } finally {
    for (const { dataset } of busyElements) delete dataset.busy;
  }
}
