// A menu that opens at a button.

import { arrowTarget } from "../core/keyboard.js";

const REOPENING = 250; // ms: the press that closed the menu does not open it again

/** menu: the popover; its items have role=menuitem…. Returns {open(button)}. */
export function makeMenu(menu) {
  let opener = null;
  let closedAt = -Infinity;

  const items = () => [...menu.querySelectorAll("[role^=menuitem]")].filter((item) => item.checkVisibility());

  function open(button) {
    if (button === opener && performance.now() - closedAt < REOPENING) return;
    opener = button;
    menu.showPopover();
    button.setAttribute("aria-expanded", "true");
    const { top, bottom, left } = button.getBoundingClientRect();
    const fitsBelow = bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.top = `${fitsBelow ? bottom + 4 : Math.max(top - menu.offsetHeight - 4, 8)}px`;
    menu.style.left = `${Math.max(8, Math.min(left, innerWidth - menu.offsetWidth - 8))}px`;
    items()[0]?.focus();
  }

  function close() {
    menu.hidePopover();
    opener.focus();
  }

  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    closedAt = performance.now();
    opener.setAttribute("aria-expanded", "false");
  });
  menu.addEventListener("keydown", (event) => {
    const isClosing = event.key === "Escape" || event.key === "Tab";
    const target = arrowTarget(items(), document.activeElement, event.key);
    if (!isClosing && !target) return;
    event.preventDefault();
    if (isClosing) close();
    else target.focus();
  });
  return { open };
}
