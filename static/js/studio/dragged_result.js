// A result that is dragged onto the form becomes a reference image.

import { runCommand, targetOf } from "../records/actions.js";
import { runInPlace } from "../ui/in_place.js";

const TYPE = "application/x-record-id";

/** The form has the class is-wanting while a result is dragged, and is-dropping while it is over the form. */
export function bindDraggedResults(results, form) {
  const { dataset: { refusal } } = form.querySelector("[data-references]");
  if (refusal || !form.querySelector("[data-list]")) return;

  function finish() {
    form.classList.remove("is-wanting", "is-dropping");
  }

  results.addEventListener("dragstart", ({ target, dataTransfer }) => {
    const card = target.closest?.("[data-image-url]")?.closest("[data-record-id]");
    if (!card) return;
    dataTransfer.setData(TYPE, card.dataset.recordId);
    form.classList.add("is-wanting");
  });
  document.addEventListener("dragend", finish);
  form.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes(TYPE)) return;
    event.preventDefault();
    form.classList.add("is-dropping");
  });
  form.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!form.contains(relatedTarget)) form.classList.remove("is-dropping");
  });
  form.addEventListener("drop", (event) => {
    const card = results.querySelector(`[data-record-id="${event.dataTransfer.getData(TYPE)}"]`);
    finish();
    if (!card) return;
    event.preventDefault();
    event.stopPropagation();
    runInPlace(card, () => runCommand("reference", targetOf(card), { record: card }));
  });
}
