// The buttons of the large view fade while nothing moves. Without a mouse a tap hides them and shows them again.

const IDLE_MS = 2000;
const HAS_MOUSE = matchMedia("(hover: hover)");
const IN_USE = ".lightbox-head :hover, .lightbox-picks:hover, .lightbox-step:hover, [data-lightbox-more][open], :focus-visible";

/** Returns {wake(), toggle()}; the dialog has .is-idle while its buttons are hidden. */
export function fadeWhenIdle(dialog) {
  let timer = 0;
  let place = "";

  function wake() {
    dialog.classList.remove("is-idle");
    clearTimeout(timer);
    if (HAS_MOUSE.matches) timer = setTimeout(fade, IDLE_MS);
  }

  function fade() {
    if (!dialog.open) return;
    if (dialog.querySelector(IN_USE)) wake();
    else dialog.classList.add("is-idle");
  }

  dialog.addEventListener("pointermove", ({ pointerType, screenX, screenY }) => {
    const isStill = place === `${screenX} ${screenY}`; // the page changed below the pointer
    place = `${screenX} ${screenY}`;
    if (!isStill && pointerType !== "touch") wake();
  });
  for (const name of ["keydown", "focusin"]) dialog.addEventListener(name, wake);

  return {
    wake,
    toggle: () => (dialog.classList.contains("is-idle") ? wake() : dialog.classList.add("is-idle")),
  };
}
