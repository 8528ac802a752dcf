// Reference images put in order by dragging or by arrow keys; Delete removes one.

import { followPointer } from "../core/drag.js";
import { _ } from "../core/i18n.js";
import { announce } from "../ui/toast.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
const CLICK_TOLERANCE = 4; // pixels that a click may move

/** The list is that of reference_list.js. */
export function orderByDragging({ element, items, save, remove }) {
  const itemOf = ({ target }) => target.closest("[data-move]")?.closest("li");

  function move(item, step) {
    const other = items()[items().indexOf(item) + step];
    if (!other) return;
    if (step < 0) other.before(item);
    else other.after(item);
    save();
    item.querySelector("[data-move]").focus();
    announce(_("移到第 {place} 位", { place: items().indexOf(item) + 1 }));
  }

  /** The item follows the pointer; Esc puts it back. */
  function drag(start, item) {
    const before = items();
    const finish = () => {
      item.classList.remove("is-dragged");
      save();
    };
    followPointer(start, {
      move({ clientX, clientY }) {
        if (Math.hypot(clientX - start.clientX, clientY - start.clientY) < CLICK_TOLERANCE) return;
        item.classList.add("is-dragged");
        insertAt(item, clientX, clientY);
      },
      end: () => item.classList.contains("is-dragged") && finish(),
      cancel() {
        element.prepend(...before.filter((other) => other.isConnected)); // one may have been added or removed meanwhile
        finish();
      },
    });
  }

  /** Beside the item at this point. */
  function insertAt(item, x, y) {
    const other = document.elementFromPoint(x, y)?.closest("li");
    if (!other || other === item || other.parentElement !== element) return;
    const { left, width } = other.getBoundingClientRect();
    if (x < left + width / 2) other.before(item);
    else other.after(item);
  }

  element.addEventListener("keydown", (event) => {
    const item = itemOf(event);
    if (!item || !(event.key in STEPS || event.key === "Delete")) return;
    event.preventDefault();
    if (event.key in STEPS) move(item, STEPS[event.key]);
    else remove(item);
  });
  element.addEventListener("pointerdown", (event) => {
    const item = itemOf(event);
    if (item && event.button === 0) drag(event, item);
  });
}
