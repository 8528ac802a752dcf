// The choices of the start dialog: make some rows first, and stop where too many fail.

import { SAMPLE } from "./partial_start.js";

/**
 * part(name): the elements of the dialog; onChange() is called when another number of rows is made first.
 *
 * Returns {reset(sample), limit(rows): how many are ordered, sample: how many of them are made first, null for all, body: what is
 * sent, disable(isDisabled)}.
 */
export function makeStartOptions(part, onChange) {
  const [line, box, size, stop] = ["sampling", "sample", "size", "stop"].map(part);
  let most = 0;

  const sampleSize = () => Math.max(1, Math.min(Math.floor(size.valueAsNumber) || SAMPLE, most));

  box.onchange = () => {
    size.value = String(sampleSize());
    onChange();
  };
  size.oninput = () => {
    box.checked = true;
    onChange();
  };
  size.onchange = () => { size.value = String(sampleSize()); };
  return {
    reset(sample) {
      box.checked = sample > 0;
      size.value = String(sample || SAMPLE);
      stop.checked = true;
    },
    limit(rows) {
      most = rows - 1;
      line.hidden = most < 1;
      size.max = String(most);
      if (Number(size.value) > most) box.checked = false; // there is no rest to hold back
    },
    disable(isDisabled) { for (const control of [box, size, stop]) control.disabled = isDisabled; },
    get sample() { return box.checked && most > 0 ? sampleSize() : null; },
    get body() { return { ...(this.sample && { sample: this.sample }), ...(!stop.checked && { stop_after: null }) }; },
  };
}
