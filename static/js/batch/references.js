// Reference images of the rows: picked in the dialog, or named by text and looked up in the library.

import { HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy } from "../core/lazy.js";
import { normalise } from "../grid/columns.js";

const picker = lazy(() => import("../library/picker.js"), ({ openReferencePicker }) => openReferencePicker);
const LOOK_AGAIN = 3000; // while the library cannot be had
const MOST_PARTS = 40; // a name has no more stretches between its 、

/** Look up names after each change that brought some; open the picker for a row. */
export function useReferences(table, { dialog, url, most }) {
  let waiting = 0;

  async function choose(row, wanted) {
    if (!row || table.readOnly) return;
    const open = await picker();
    const chosen = await open(dialog, { chosen: row.sample_images.filter((image) => image.url), most, search: wanted });
    if (chosen) table.rows.step(_("更换参考图"), () => table.rows.set(row, "sample_images", chosen));
    table.editor.focus();
  }

  async function lookUp() {
    waiting = 0;
    const asking = table.rows.all.filter(isUnchecked);
    if (asking.length === 0) return;
    const match = await matcher();
    for (const row of asking) row.sample_images = row.sample_images.flatMap(match);
    table.checks.forget(asking);
    table.look();
    table.onReferences?.();
  }

  /** What a name leads to; while the library cannot be had it stays unchecked, says why, and is looked up again. */
  async function matcher() {
    try {
      const byName = group((await requestJson("GET", url)).images);
      return (image) => found(image, byName);
    } catch (failure) {
      if (!(failure instanceof HttpError)) throw failure;
      waiting = setTimeout(lookUp, LOOK_AGAIN);
      return (image) => (image.match === "unchecked" ? { ...image, trouble: failure.message } : image);
    }
  }

  function watch({ changed, reset }) {
    const rows = reset ? table.rows.all : [...changed];
    if (rows.some(isUnchecked)) waiting ||= setTimeout(lookUp, 100);
  }

  table.rows.watch(watch);
  watch({ reset: true }); // those that stand there already
  table.body.addEventListener("click", (event) => {
    const button = event.target.closest("[data-references]");
    if (button) choose(table.rows.at(table.view.placeOfElement(button.closest("[data-column]")).row));
  });
  return { choose };
}

function isUnchecked(row) {
  return row.sample_images.some(({ match }) => match === "unchecked");
}

// Names are the same whatever their case and with or without their ending.
function group(images) {
  const byName = new Map();
  for (const image of images) {
    for (const name of new Set([fold(image.filename), fold(image.filename).replace(/\.[a-z0-9]+$/, "")])) {
      byName.set(name, [...(byName.get(name) ?? []), image]);
    }
  }
  return byName;
}

function found(image, byName) {
  if (image.match !== "unchecked") return image;
  const names = atPauses(image.filename, byName);
  if (names.length > 1) return names.map((filename) => found({ ...image, filename }, byName));
  const candidates = byName.get(fold(image.filename)) ?? [];
  if (candidates.length === 1) return kept(candidates[0]);
  return { ...image, trouble: "", match: candidates.length > 1 ? "ambiguous" : "missing" };
}

// 甲、乙 -> its names; the longest stretch that the library has goes first.
function atPauses(name, byName) {
  const parts = name.split(/[、､]/).map((part) => part.trim());
  const names = [];
  while (parts.length > 0) {
    let count = Math.min(parts.length, MOST_PARTS);
    while (count > 1 && !byName.has(fold(parts.slice(0, count).join("、")))) count -= 1;
    names.push(parts.splice(0, count).join("、"));
  }
  return names.filter(Boolean);
}

function kept({ url, filename, thumbnail_url }) {
  return { url, filename, thumbnail_url };
}

function fold(name) {
  return normalise(name).toLowerCase();
}
