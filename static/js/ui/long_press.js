// A finger that rests on an element. A mouse does not: it has other ways to do the same.

const HOLD_MS = 450; // browsers open their own menu after 500
const TOLERANCE_PX = 10; // a finger that moves more scrolls

/**
 * Call run(element) when a finger rests on an element inside `root` that matches `selector`. No click or menu follows it. The
 * style sheet switches off what browsers do meanwhile: `user-select: none; -webkit-touch-callout: none`.
 */
export function onLongPress(root, selector, run) {
  let timer = 0;
  let start = null;
  let wasHeld = false;

  function cancel() {
    clearTimeout(timer);
    start = null;
  }

  function hold(element) {
    start = null;
    wasHeld = true;
    run(element);
  }

  root.addEventListener("pointerdown", (event) => {
    cancel();
    wasHeld = false;
    const isFinger = event.pointerType !== "mouse" && event.isPrimary;
    const element = isFinger && event.target.closest(selector);
    if (!element) return;
    start = event;
    timer = setTimeout(hold, HOLD_MS, element);
  });
  root.addEventListener("pointermove", (event) => {
    if (start && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > TOLERANCE_PX) cancel();
  });
  for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, cancel);
  for (const name of ["click", "contextmenu", "dragstart"]) {
    root.addEventListener(name, (event) => {
      const isKey = name === "click" && event.detail === 0;
      if (!wasHeld || isKey) return;
      event.preventDefault();
      event.stopPropagation();
    }, { capture: true });
  }
}
