// The strip below the table: the report of the import, the causes of failures or the log, one at a time; nothing remembers which.

import { apply } from "../core/dom.js";

/**
 * holder: the section with its panels, [data-strip-panel]. Buttons with data-strip-open anywhere open and close the panel of that name.
 * Returns {show(name), hide(), toggle(name), panel(name): its element, watch(listener): called with the name that is shown, or ""}.
 */
export function makeStrip(holder) {
  const panels = [...holder.querySelectorAll("[data-strip-panel]")];
  const listeners = [];
  let shown = "";
  let opener = null; // gets the focus back

  function show(name) {
    if (name === shown) return;
    shown = name;
    holder.hidden = name === "";
    for (const panel of panels) panel.hidden = panel.dataset.stripPanel !== name;
    for (const button of document.querySelectorAll("[data-strip-open]")) apply(button, { ariaExpanded: String(button.dataset.stripOpen === name) });
    for (const listener of listeners) listener(name);
  }

  function close() {
    show("");
    if (opener?.checkVisibility()) opener.focus();
  }

  new ResizeObserver(() => document.body.style.setProperty("--strip-height", `${holder.offsetHeight}px`)).observe(holder);
  const toggle = (name) => (shown === name ? close() : show(name));

  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-strip-open]");
    if (!button) return;
    opener = button;
    toggle(button.dataset.stripOpen);
  });
  holder.querySelector("[data-strip-close]").addEventListener("click", close);
  holder.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    close();
  });
  return {
    show, toggle, hide: () => show(""),
    panel: (name) => panels.find(({ dataset }) => dataset.stripPanel === name),
    watch: (listener) => listeners.push(listener),
  };
}
