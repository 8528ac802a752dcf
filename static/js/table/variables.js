// {列名} in a text, as app/domain/variables.py replaces it; here only what helps to write it.

import { fieldOfOwn, ownNames } from "./own_columns.js";
import { jsonOf } from "../core/dom.js";
import { normalise } from "../grid/columns.js";

const BUILT_IN = jsonOf(document.querySelector("[data-batch]"), "variables");
const FIELDS = ["prompt", "negative_prompt", "filename"];
const OPEN = /[{｛]([^{}｛｝\n]*)$/u; // a variable that is being typed
const VARIABLE = /\{([^{}\n]+)\}/gu;
const MAX_NAME = 40;

/** The names that a text may have between braces. */
export function variableNames() {
  return [...new Set([...ownNames(), ...BUILT_IN])];
}

/** What may be meant by a brace before the caret; see editor.js. `{{` is a brace. */
export function suggestVariables({ field }, before) {
  const open = FIELDS.includes(field) && OPEN.exec(before);
  if (!open || before[open.index - 1] === "{" || open[1].length > MAX_NAME) return null;
  return { start: open.index, typed: open[1], options: variableNames().map((name) => `{${name}}`) };
}

/** The own fields that texts name and that are empty in the row, by name. */
export function emptyVariables(row, texts) {
  const named = new Set(texts.flatMap((text) => [...text.matchAll(VARIABLE)]).map(([, name]) => foldName(name)));
  const empty = ownNames().filter((name) => named.has(foldName(name)) && !row[fieldOfOwn(name)].trim());
  return new Map(empty.map((name) => [name, fieldOfOwn(name)]));
}

function foldName(name) {
  return normalise(name).replace(/\s+/gu, " ").toLowerCase();
}

/** Whether a name has a variable in it: without own columns only the built-in ones are. */
export function hasVariable(text) {
  const own = ownNames();
  return [...text.matchAll(VARIABLE)].some(([, name]) => own.length > 0 || BUILT_IN.includes(foldName(name)));
}
