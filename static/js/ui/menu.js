// A <details> as a menu: Esc, a press elsewhere, or one of its commands closes it.

/** `root` is the <details>, or holds several that match `selector`, now or later. */
export function bindMenu(root, selector) {
  const openMenu = () => (selector ? root.querySelector(`${selector}[open]`) : root.open ? root : null);

  document.addEventListener("pointerdown", ({ target }) => {
    const menu = openMenu();
    if (menu && !menu.contains(target)) menu.open = false;
  });
  root.addEventListener("click", ({ target }) => {
    const menu = openMenu();
    if (menu?.contains(target) && target.closest("[data-command], a")) close(menu, menu.closest("dialog") ?? menu.firstElementChild);
  });
  root.addEventListener("keydown", (event) => {
    const menu = openMenu();
    if (event.key !== "Escape" || !menu) return;
    event.preventDefault(); // the dialog around it stays open
    event.stopPropagation();
    close(menu, menu.firstElementChild);
  });
}

function close(menu, next) {
  menu.open = false;
  next.focus(); // the focus would be lost with the hidden entries
}
