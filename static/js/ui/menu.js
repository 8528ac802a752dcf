// Menus: <details data-popup>, in which the panel follows the summary. A press elsewhere, Esc, or one of its commands closes it, but
// one with data-keep-open stays for several choices. The panel is kept inside the window; is-up: it opens upwards.

const OPEN = "details[data-popup][open]";
const MARGIN_PX = 8;

/** `page` is the document. */
export function bindMenus(page) {
  const openMenus = () => [...page.querySelectorAll(OPEN)];

  page.addEventListener("pointerdown", ({ target }) => {
    for (const menu of openMenus()) if (!menu.contains(target)) menu.open = false;
  });
  page.addEventListener("click", ({ target }) => {
    const menu = target.closest(OPEN);
    if (menu && !("keepOpen" in menu.dataset) && target.closest("button, a")) close(menu, menu.closest("dialog"));
  });
  page.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && openMenus().at(-1);
    if (!menu) return;
    event.preventDefault(); // the dialog around it stays open
    event.stopPropagation();
    close(menu);
  }, { capture: true });
  page.addEventListener("toggle", ({ target }) => target.matches(OPEN) && keepInWindow(target), { capture: true });
  addEventListener("resize", () => openMenus().forEach(keepInWindow));
}

function close(menu, next = null) {
  const hadFocus = menu.contains(document.activeElement);
  menu.open = false;
  if (hadFocus) (next ?? menu.firstElementChild).focus(); // it would be lost with the hidden entries
}

/** Also to be called when the content of an open menu has changed. */
export function keepInWindow(menu) {
  const panel = menu.lastElementChild;
  panel.style.translate = "none";
  const { left, right, top, bottom } = panel.getBoundingClientRect();
  const shift = Math.max(MARGIN_PX - left, 0) || Math.min(document.documentElement.clientWidth - MARGIN_PX - right, 0);
  if (shift) panel.style.translate = `${shift}px`;
  const isUp = panel.classList.contains("is-up");
  if (isUp ? top < 0 : bottom + MARGIN_PX > innerHeight) panel.classList.toggle("is-up");
}
