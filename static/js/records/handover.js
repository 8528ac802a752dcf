// Into the draft of 单图生成 from another page: what draft.js keeps under the same names.

const KEPT = "draft.single";
const BEFORE = "draft.single.before";

/** change(draft) -> the new draft, or something false to leave it; what was written before can be brought back. */
export function intoDraft(change) {
  const draft = JSON.parse(localStorage.getItem(KEPT)) ?? { prompt: "" };
  const changed = change(draft);
  if (!changed) return false;
  if (draft.prompt && draft.prompt !== changed.prompt) localStorage.setItem(BEFORE, JSON.stringify(draft));
  localStorage.setItem(KEPT, JSON.stringify(changed));
  return true;
}
