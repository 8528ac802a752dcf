// The menu of one row: everything that can be done to it, also with a finger.

/** items(index) -> [{label, run, danger?}]; the menu opens at the row's ⋯ button. */
export function useRowMenu(menu, table, items) {
  let opener = null;

  table.body.addEventListener("click", (event) => {
    const button = event.target.closest("[data-row-menu]");
    if (button) open(button);
  });

  function open(button) {
    opener = button;
    const { row } = table.view.placeOfElement(button.closest("[data-column]"));
    menu.replaceChildren(...items(row).map(makeItem));
    menu.showPopover();
    button.setAttribute("aria-expanded", "true");
    const at = button.getBoundingClientRect();
    const below = at.bottom + menu.offsetHeight + 8 < innerHeight;
    menu.style.top = `${below ? at.bottom + 4 : Math.max(at.top - menu.offsetHeight - 4, 8)}px`;
    menu.style.left = `${Math.max(8, at.right - menu.offsetWidth)}px`;
    menu.firstElementChild?.focus();
  }

  function makeItem({ label, run, danger = false }) {
    const item = document.createElement("button");
    item.type = "button";
    item.className = danger ? "menu-item is-danger" : "menu-item";
    item.setAttribute("role", "menuitem");
    item.textContent = label;
    item.addEventListener("click", () => {
      menu.hidePopover();
      table.editor.focus();
      run();
    });
    return item;
  }

  menu.addEventListener("toggle", ({ newState }) => {
    if (newState === "closed") for (const button of table.body.querySelectorAll("[data-row-menu]")) button.setAttribute("aria-expanded", "false");
  });
  menu.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Tab" || event.key === "Escape") {
      event.preventDefault();
      menu.hidePopover();
      table.editor.focus();
    }
    if (!step) return;
    event.preventDefault();
    const all = [...menu.children];
    all.at((all.indexOf(document.activeElement) + step) % all.length)?.focus();
  });
  table.element.addEventListener("scroll", () => { if (menu.matches(":popover-open")) menu.hidePopover(); }, { passive: true });
  return { open: (index) => open(table.view.cellAt(index, table.columns.length - 1)?.querySelector("[data-row-menu]") ?? opener) };
}
