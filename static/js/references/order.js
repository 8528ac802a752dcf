// Reference images put in order, by dragging or by arrow keys; Delete takes one out.

import { announce } from "../messages.js";
import { _ } from "../words.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

export function orderReferences({ element, items, save, remove }) {
  let dragged = null;

  function move(item, step) {
    const other = items()[items().indexOf(item) + step];
    if (!other) return;
    if (step < 0) other.before(item);
    else other.after(item);
    save();
    item.querySelector("[data-move]").focus();
    announce(_("移到第 {place} 位", { place: items().indexOf(item) + 1 }));
  }

  element.addEventListener("keydown", (event) => {
    const item = event.target.closest("[data-move]")?.closest("li");
    if (!item || !(event.key in STEPS || event.key === "Delete")) return;
    event.preventDefault();
    if (event.key in STEPS) move(item, STEPS[event.key]);
    else remove(item);
  });

  element.addEventListener("dragstart", (event) => {
    dragged = event.target.closest("li");
    dragged.classList.add("is-dragged");
    event.dataTransfer.effectAllowed = "move";
  });
  element.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over) return;
    event.preventDefault(); // it may be let go here
    if (over === dragged) return;
    const box = over.getBoundingClientRect();
    if (event.clientX < box.left + box.width / 2) over.before(dragged);
    else over.after(dragged);
  });
  element.addEventListener("dragend", () => {
    dragged?.classList.remove("is-dragged");
    dragged = null;
    save();
  });
}
