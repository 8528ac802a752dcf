// What a browser keeps between visits: the theme, the draft of 单图生成 and what was written before it.
// Where storage is forbidden or full nothing is kept, and everything else works.

export const DRAFT = "draft.single";
export const PREVIOUS_DRAFT = "draft.single.before";
const WRITTEN = ["prompt", "negative_prompt", "filename", "seed", "steps"];

export function loadItem(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

/** null forgets it. */
export function saveItem(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // The page itself still holds what was typed.
  }
}

/** From another page: change(draft) -> the new draft, or something false to leave it. What was written can be brought back. */
export function updateDraft(change) {
  const draft = loadItem(DRAFT) ?? { prompt: "" };
  const changed = change(draft);
  if (!changed) return false;
  if (overwritesText(draft, changed)) saveItem(PREVIOUS_DRAFT, draft);
  saveItem(DRAFT, changed);
  return true;
}

/** Whether something that was written in one request is not in another; ratio, resolution and number are soon chosen again. */
export function overwritesText(was, is) {
  const text = (value) => String(value ?? "").trim();
  const has = (image) => is.sample_images?.some(({ url }) => url === image.url);
  return WRITTEN.some((name) => text(was[name]) && text(was[name]) !== text(is[name])) || !(was.sample_images ?? []).every(has);
}
