// What a browser keeps between visits: the theme, the draft of 单图生成 and what was written before it.
// Where storage is forbidden or full nothing is kept, and everything else works.

export const DRAFT = "draft.single";
export const BEFORE = "draft.single.before";

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(name));
  } catch {
    return null;
  }
}

/** null forgets it. */
export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, JSON.stringify(value));
  } catch {
    // The page itself still holds what was typed.
  }
}

/** From another page: change(draft) -> the new draft, or something false to leave it. What was written can be brought back. */
export function intoDraft(change) {
  const draft = recall(DRAFT) ?? { prompt: "" };
  const changed = change(draft);
  if (!changed) return false;
  if (draft.prompt && draft.prompt !== changed.prompt) keep(BEFORE, draft);
  keep(DRAFT, changed);
  return true;
}
