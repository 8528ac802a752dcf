// A menu that opens at a button.

import { apply, create } from "../core/dom.js";
import { arrowTarget } from "../core/keyboard.js";

const REOPENING = 250; // ms: the press that closed the menu does not open it again

/**
 * menu: the popover; its items have role=menuitem…. focusBack() says where the focus goes after it; by default to the button.
 *
 * Returns {open(button, items)}; items: [{label, run, isDanger?, checked?: of a choice, after which the menu stays open}] are its content,
 * unless that stands in the page.
 */
export function makeMenu(menu, { focusBack = null, isAtEnd = false } = {}) {
  let opener = null;
  let closedAt = -Infinity; // by a press elsewhere
  let isClosing = false; // by an item or a key

  const found = () => [...menu.querySelectorAll("[role^=menuitem]")].filter((item) => item.checkVisibility());

  function open(button, items = null) {
    if (button === opener && performance.now() - closedAt < REOPENING) return;
    opener = button;
    if (items) menu.replaceChildren(...items.map(createItem));
    const { top, bottom, left, right } = button.getBoundingClientRect(); // before: this closes the menu that it stands in
    menu.showPopover();
    apply(button, { ariaExpanded: "true" });
    const fitsBelow = bottom + menu.offsetHeight + 8 < innerHeight;
    const start = isAtEnd ? right - menu.offsetWidth : left;
    Object.assign(menu.style, {
      top: `${fitsBelow ? bottom + 4 : Math.max(top - menu.offsetHeight - 4, 8)}px`,
      left: `${Math.max(8, Math.min(start, innerWidth - menu.offsetWidth - 8))}px`,
    });
    found()[0]?.focus();
  }

  function createItem({ label, run, isDanger = false, checked = null }) {
    const isChoice = checked !== null;
    return create("button", {
      type: "button", className: "menu-item truncate", textContent: label, classes: { "is-danger": isDanger, "is-choice": isChoice },
      attributes: isChoice ? { role: "menuitemcheckbox", "aria-checked": checked } : { role: "menuitem" }, onclick({ currentTarget }) {
        if (!isChoice) close();
        run(currentTarget);
      },
    });
  }

  function close() {
    isClosing = true;
    menu.hidePopover();
    if (focusBack) focusBack();
    else opener.focus();
  }

  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    closedAt = isClosing ? -Infinity : performance.now();
    isClosing = false;
    apply(opener, { ariaExpanded: "false" });
  });
  menu.addEventListener("keydown", (event) => {
    const isLeaving = event.key === "Escape" || event.key === "Tab";
    const target = arrowTarget(found(), document.activeElement, event.key);
    if (!isLeaving && !target) return;
    event.preventDefault();
    if (isLeaving) close();
    else target.focus();
  });
  return { open, show: (items) => menu.replaceChildren(...items.map(createItem)) };
}
