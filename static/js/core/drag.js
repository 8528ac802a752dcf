// Following a pointer from a press until it is released, wherever on the page that is.

/**
 * `start` is the pointerdown event. move(event) is called for each move, then end(event) when the pointer is released, or
 * cancel() when the browser takes it away, Esc is pressed, or the release happened out of sight.
 */
export function followPointer(start, { move, end = () => null, cancel = () => null }) {
  const stop = new AbortController();
  const on = (name, listener) => addEventListener(name, listener, { signal: stop.signal, capture: true });
  const isOurs = (event) => event.pointerId === start.pointerId;

  function finish(ending, event) {
    stop.abort();
    ending(event);
  }

  on("pointermove", (event) => {
    if (!isOurs(event)) return;
    if (event.pointerType === "mouse" && event.buttons === 0) finish(cancel, event);
    else move(event);
  });
  on("pointerup", (event) => isOurs(event) && finish(end, event));
  on("pointercancel", (event) => isOurs(event) && finish(cancel, event));
  on("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    finish(cancel, event);
  });
}
