// Reference images put in order, by dragging or by arrow keys; Delete takes one out.

import { followPointer } from "../drag.js";
import { announce } from "../messages.js";
import { _ } from "../words.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const SLACK = 4; // pixels that a click may move

export function orderReferences({ element, items, save, remove }) {
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

  element.addEventListener("pointerdown", (event) => {
    const item = event.target.closest("[data-move]")?.closest("li");
    if (item && event.button === 0) drag(event, item);
  });

  /** The item follows the pointer to its new place; Esc puts it back. */
  function drag(start, item) {
    const before = items();
    const settle = () => {
      item.classList.remove("is-dragged");
      save();
    };
    followPointer(start, {
      move({ clientX, clientY }) {
        if (Math.hypot(clientX - start.clientX, clientY - start.clientY) < SLACK) return;
        item.classList.add("is-dragged");
        const over = document.elementFromPoint(clientX, clientY)?.closest("li");
        if (!over || over === item || over.parentElement !== element) return;
        const { left, width } = over.getBoundingClientRect();
        if (clientX < left + width / 2) over.before(item);
        else over.after(item);
      },
      end: () => item.classList.contains("is-dragged") && settle(),
      cancel() {
        element.prepend(...before.filter((each) => each.isConnected)); // one may have arrived or left meanwhile
        settle();
      },
    });
  }
}
