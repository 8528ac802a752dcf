// How the values of a block go on beyond it, as the fill handle of a spreadsheet has it.

const NUMBERED = /^(.*\D|)(\d{1,15})$/su; // longer numbers are not exact

/**
 * values: those of a column in the rows of the block. Returns (offset from the first of these rows, below 0 above it) -> value.
 *
 * Values are repeated. A name that ends in a number (主图-01) counts on, but not a prompt, whose number means something, nor a
 * number alone, which may be one of pictures to pay for; with isSwitched, as with Ctrl, it is the other way round.
 */
export function makeSeries({ kind, multiline }, values, isSwitched) {
  const numbered = values.map((value) => (typeof value === "string" && kind !== "choice" && value.match(NUMBERED)) || null);
  const countsOn = numbered.map((found) => Boolean(found) && (found[1] !== "" && !multiline) !== isSwitched);
  const step = countsOn.every(Boolean) ? commonStep(numbered) : null;
  const width = Math.max(...numbered.map((found) => (found?.[2].startsWith("0") ? found[2].length : 0)));

  return (offset) => {
    const passes = Math.floor(offset / values.length);
    const at = offset - passes * values.length;
    if (!countsOn[at]) return values[at];
    const [, name, digits] = numbered[at];
    const number = step === null ? Number(digits) + passes : Number(numbered[0][2]) + step * offset;
    return name + String(Math.abs(number)).padStart(width, "0");
  };
}

// From each to the next; null where they differ in more than their numbers.
function commonStep(numbered) {
  const numbers = numbered.map(([, , digits]) => Number(digits));
  const step = numbers.length > 1 ? numbers[1] - numbers[0] : 1;
  const isEven = numbered.every(([, name], at) => name === numbered[0][1] && numbers[at] === numbers[0] + step * at);
  return isEven ? step : null;
}
