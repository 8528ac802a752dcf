// Values in localStorage: the theme, the draft of 单图生成 and the draft before it.
// Where storage is unavailable or full nothing is saved, and everything else works.

export const DRAFT = "draft.single";
export const PREVIOUS_DRAFT = "draft.single.before";
const TEXT_FIELDS = ["prompt", "negative_prompt", "filename", "seed", "steps"];

export function loadItem(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

/** Save a value as JSON; null removes it. Returns whether the browser did: without it the page still holds what was typed. */
export function saveItem(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** The names of all values; none where there is no storage. */
export function storedNames() {
  try {
    return Array.from({ length: localStorage.length }, (_one, index) => localStorage.key(index));
  } catch {
    return [];
  }
}

/** Change the draft from another page: change(draft) returns the new draft, or null to leave it. Text that it overwrites is saved. */
export function updateDraft(change) {
  const draft = loadItem(DRAFT) ?? { prompt: "" };
  const changed = change(draft);
  if (!changed) return false;
  if (overwritesText(draft, changed)) saveItem(PREVIOUS_DRAFT, draft);
  saveItem(DRAFT, changed);
  return true;
}

/** Whether text or references of one request are missing from the other; ratio, resolution and number do not count. */
export function overwritesText(before, after) {
  const text = (value) => String(value ?? "").trim();
  const has = (image) => after.sample_images?.some(({ url }) => url === image.url);
  return TEXT_FIELDS.some((name) => text(before[name]) && text(before[name]) !== text(after[name])) || !(before.sample_images ?? []).every(has);
}
