// The words below the pictures of 看图: those of the row that is pointed at or has the focus, changed in place, and what can be ordered.

import { _, formatPrice } from "../core/i18n.js";
import { orderWords, nameOf } from "./gallery_shots.js";
import { ownColumnsOf } from "./own_columns.js";

const UNDER_WAY = ["queued", "running"];
const POINTED_MS = 120; // until the row that the pointer rests on is shown

/** element: [data-gallery-words]. hooks: shownOf(row), order(row), again(row), change(row, text), priceOfOne(row), leave(). Returns {show(shot), point(shot), edit(row)}. */
export function makeWords(element, hooks) {
  const state = { shot: null, pointed: null, isEditing: false };
  const edit = element.querySelector("[data-words-edit]");
  const order = element.querySelector("[data-words-order]");
  const change = element.querySelector("[data-words-change]");
  let timer = 0;

  function draw() {
    const shot = state.isEditing ? state.shot : state.pointed ?? state.shot;
    element.hidden = !shot;
    if (!shot) return;
    const { row, picture } = shot;
    const shown = hooks.shownOf(row);
    const isOpen = UNDER_WAY.includes(shown.state);
    const set = (target, text) => { if (target.textContent !== text) target.textContent = text; };
    set(element.querySelector("[data-words-row]"), _("第 {number} 行", { number: row.number }));
    set(element.querySelector("[data-words-name]"), [...new Set([nameOf(row), ...Object.values(ownColumnsOf(row))])].filter(Boolean).join(" · "));
    set(element.querySelector("[data-words-prompt]"), row.prompt);
    set(element.querySelector("[data-words-reason]"), picture?.error ?? "");
    set(order, shown.missing > 0 ? orderWords(shown) : _("再来一张 {sum}", { sum: formatPrice(hooks.priceOfOne(row)) }));
    order.hidden = state.isEditing || isOpen || shown.state === "held" || shown.state === "problem";
    set(change, state.isEditing ? _("改好") : _("改提示词"));
    change.disabled = isOpen;
    change.title = isOpen ? _("正在做，做完再改") : "";
    element.querySelector("[data-words-text]").hidden = state.isEditing;
    edit.hidden = !state.isEditing;
  }

  function end(isKept) {
    if (!state.isEditing) return;
    const { row } = state.shot;
    state.isEditing = false;
    if (isKept && edit.value !== row.prompt) hooks.change(row, edit.value);
    draw();
  }

  /** Change the words of the row that has the focus. */
  function start(shot) {
    if (UNDER_WAY.includes(hooks.shownOf(shot.row).state)) return;
    clearTimeout(timer);
    Object.assign(state, { shot, pointed: null, isEditing: true });
    draw();
    edit.value = shot.row.prompt;
    edit.focus();
    edit.setSelectionRange(edit.value.length, edit.value.length);
  }

  edit.addEventListener("keydown", (event) => {
    const isDone = event.key === "Enter" && (event.ctrlKey || event.metaKey);
    if (event.key !== "Escape" && !isDone) return;
    event.preventDefault();
    event.stopPropagation();
    end(isDone);
    hooks.leave();
  });
  edit.addEventListener("change", () => end(true)); // as a cell that is left
  edit.addEventListener("blur", () => end(true));
  addEventListener("pagehide", () => end(true));
  change.addEventListener("pointerdown", (event) => event.preventDefault()); // the field is left by the press itself
  change.addEventListener("click", () => {
    if (!state.isEditing) return start(state.pointed ?? state.shot);
    end(true);
    return hooks.leave();
  });
  order.addEventListener("click", () => {
    const { row } = state.pointed ?? state.shot;
    return hooks.shownOf(row).missing > 0 ? hooks.order(row) : hooks.again(row);
  });
  element.addEventListener("pointerenter", () => clearTimeout(timer)); // its buttons are for the row that it shows

  return {
    show(shot) {
      if (!state.isEditing || !shot) Object.assign(state, { shot, pointed: null });
      draw();
    },
    point(shot) {
      clearTimeout(timer);
      timer = setTimeout(() => {
        state.pointed = shot;
        draw();
      }, POINTED_MS);
    },
    edit: start,
  };
}
