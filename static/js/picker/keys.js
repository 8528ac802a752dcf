// The pictures of the picker by keyboard: arrows, Home and End; Tab comes back to the one it left.

export function moveByKeys({ part, on }) {
  const box = part("images");

  function target(key) {
    const all = [...box.children];
    const at = all.indexOf(document.activeElement);
    const across = Math.max(all.findIndex(({ offsetTop }) => offsetTop !== all[0].offsetTop), 1);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across, Home: -Infinity, End: Infinity }[key];
    return at < 0 || !step ? null : all[Math.max(0, Math.min(at + step, all.length - 1))];
  }

  on(box, "keydown", (event) => {
    const next = event.ctrlKey || event.metaKey || event.altKey ? null : target(event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
  on(box, "focusin", ({ target: focused }) => {
    for (const element of box.querySelectorAll('[tabindex="0"]')) element.tabIndex = -1;
    focused.tabIndex = 0;
  });
  on(part("search"), "keydown", (event) => {
    if (event.key !== "ArrowDown" || !box.firstElementChild) return;
    event.preventDefault();
    box.querySelector('[tabindex="0"]').focus();
  });
}
