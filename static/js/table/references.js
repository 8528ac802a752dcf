// Reference images that rows name by text, looked up in the library.

import { hasUnchecked } from "./columns.js";
import { hasVariable } from "./variables.js";
import { HttpError, requestJson } from "../core/http.js";
import { soon } from "../core/timing.js";
import { normalise } from "../grid/columns.js";
import { validateAgain } from "../grid/grid.js";

const DELAY = 100; // ms
const RETRY_DELAY = 3000; // while the library is out of reach
const MAX_PARTS = 40; // a name has no more stretches between its 、

/** Look up names now and after each change that brought some. Not a step of the draft: with two tabs the idle one would write its old rows. */
export function lookUpReferences(table, url) {
  const lookUpSoon = soon(lookUp, DELAY);

  async function lookUp() {
    const rows = table.rows.all.filter(hasUnchecked);
    if (rows.length === 0) return;
    const resolve = await loadResolver();
    for (const row of rows) row.sample_images = row.sample_images.flatMap(resolve);
    validateAgain(table, rows);
  }

  // What a name leads to; while the library is out of reach it stays unchecked, with the error, and is looked up again.
  async function loadResolver() {
    try {
      const byName = groupByName((await requestJson("GET", url)).images);
      return (image) => resolveReference(image, byName);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      setTimeout(lookUp, RETRY_DELAY);
      return (image) => (image.match === "unchecked" ? { ...image, error: failure.message } : image);
    }
  }

  table.rows.watch(({ changed, reset }) => {
    const rows = reset ? table.rows.all : [...changed];
    if (rows.some(hasUnchecked)) lookUpSoon();
  });
  lookUpSoon();
}

// Names are the same whatever their case and with or without their ending.
function groupByName(images) {
  const byName = new Map();
  for (const image of images) {
    const name = foldName(image.filename);
    for (const key of new Set([name, name.replace(/\.[a-z0-9]+$/, "")])) byName.set(key, [...(byName.get(key) ?? []), image]);
  }
  return byName;
}

function resolveReference(image, byName) {
  if (image.match !== "unchecked") return image;
  if (hasVariable(image.filename)) return { ...image, match: "variable" };
  const names = splitNames(image.filename, byName);
  if (names.length > 1) return names.map((filename) => resolveReference({ ...image, filename }, byName));
  const candidates = byName.get(foldName(image.filename)) ?? [];
  if (candidates.length !== 1) return { ...image, error: "", match: candidates.length > 1 ? "ambiguous" : "missing" };
  const [{ url, filename, thumbnail_url }] = candidates;
  return { url, filename, thumbnail_url };
}

// 甲、乙 -> its names; the longest stretch that the library has goes first.
function splitNames(text, byName) {
  const parts = text.split(/[、､]/).map((part) => part.trim());
  const names = [];
  while (parts.length > 0) {
    let count = Math.min(parts.length, MAX_PARTS);
    while (count > 1 && !byName.has(foldName(parts.slice(0, count).join("、")))) count -= 1;
    names.push(parts.splice(0, count).join("、"));
  }
  return names.filter(Boolean);
}

function foldName(name) {
  return normalise(name).toLowerCase();
}
