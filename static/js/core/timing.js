// Calls that wait a little, so that several become one.

import { isComposing } from "./keyboard.js";

/** A function that calls run() `delay` ms later, once for all calls until then. */
export function soon(run, delay) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      run();
    }, delay);
  };
}

/** Call run() when nothing has been typed into a field for `pause` ms, or a composition has ended. Returns {stop()}; isWaiting tells whether a call is due. */
export function onTyped(field, pause, run, { signal } = {}) {
  const state = { timer: 0, stop, get isWaiting() { return state.timer !== 0; } };

  function stop() {
    clearTimeout(state.timer);
    state.timer = 0;
  }

  function runNow() {
    stop();
    run();
  }

  field.addEventListener("input", (event) => {
    stop();
    if (!isComposing(event)) state.timer = setTimeout(runNow, pause);
  }, { signal });
  field.addEventListener("compositionend", runNow, { signal });
  return state;
}

/** Wraps an asynchronous function: resolves to what it does, or to `undefined` where it was called again since. */
export function latest(run) {
  let turn = 0;
  return async (...values) => {
    turn += 1;
    const mine = turn;
    const answer = await run(...values);
    return mine === turn ? answer : undefined;
  };
}
