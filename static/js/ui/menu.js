// A <details> as a menu: Esc, a press elsewhere, or one of its commands closes it.

export function bindMenu(details) {
  const close = (next) => {
    details.open = false;
    next.focus(); // the focus would be lost with the hidden entries
  };

  document.addEventListener("pointerdown", ({ target }) => {
    if (!details.contains(target)) details.open = false;
  });
  details.addEventListener("click", ({ target }) => {
    if (target.closest("[data-command], a")) close(details.closest("dialog") ?? details.firstElementChild);
  });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !details.open) return;
    event.preventDefault(); // the dialog around it stays open
    event.stopPropagation();
    close(details.firstElementChild);
  });
}
