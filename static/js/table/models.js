// The models that rows can be ordered from, and the columns that only some of them take. Their cells hold words of the
// page's language; requests hold the values of the API.

import { jsonOf } from "../core/dom.js";
import { _ } from "../core/i18n.js";
import { normalise } from "../grid/columns.js";

const page = document.querySelector("[data-batch]");
const { others, ...own } = jsonOf(page, "model");
const byLabel = new Map(others.map((other) => [other.label, other]));
const described = jsonOf(page, "columns").filter(({ like }) => like);
const dictionaries = new Map(described.map((column) => [column.name, dictionaryOf(column)]));

/** The model of the page, with of(row): the model that makes a row, and qualityOf(row): its quality as prices have it. */
export const model = { ...own, all: [own, ...others], of: (row) => byLabel.get(row.model) ?? own, qualityOf: ({ quality }) => apiValueOf("quality", quality) };

/** The model of a row, and what can be asked of some models. */
export const OPTIONAL = described.map(({ name }) => name);

// Every spelling of a value -> [value, word].
function dictionaryOf({ words = {}, spellings = {} }) {
  const entries = Object.entries(words);
  const others = Object.entries(spellings).map(([spelling, value]) => [spelling, [value, words[value]]]);
  return new Map([...others, ...entries.flatMap((entry) => entry.map((spelling) => [spelling, entry]))].map(([spelling, entry]) => [plain(spelling), entry]));
}

/** As Models.find compares. */
function plain(text) {
  return normalise(text).toLowerCase().replaceAll(/[\s_-]/g, "");
}

const entryOf = (field, text) => dictionaries.get(field).get(plain(text));

/** The word of a cell for a value of the API, or for another spelling; text that is neither stays. */
export function wordOf(field, text) {
  return text === "" ? "" : entryOf(field, text)?.[1] ?? String(text).trim();
}

/** The word of a cell as the API has it; text that is none stays. */
export function apiValueOf(field, word) {
  return word && (entryOf(field, word)?.[0] ?? word);
}

/** Why the model of a row takes no value of a column, or "". */
export function refusalOf({ name, label }, row) {
  const { takes, notes, label: by } = model.of(row);
  if (takes.includes(name)) return "";
  notes[name] ??= _("{model} 不接受{column}", { model: by, column: label }); // asked for each cell of each row
  return notes[name];
}
