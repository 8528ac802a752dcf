// The choice of pictures: each is kept, rejected, or neither. It deletes nothing.

import { apply, create, show } from "../core/dom.js";
import { requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { loadItem, saveItem } from "../core/storage.js";
import { offerUndo } from "../ui/toast.js";

const LABELS = { keep: _("已留下"), reject: _("已淘汰") };
const ICONS = { keep: "icon-check", reject: "icon-close" };
const HAS_REJECTED = "picks.rejected"; // whether this browser has shown that rejecting deletes nothing

let latest = Promise.resolve(); // requests follow one another: the choice that was made last stays
const underWay = new Map(); // id of a record -> {count: of its requests, saved: the choice that the server has}

/**
 * Choose "keep" or "reject" for the record of an element, or clear it when it is chosen already. Shown at once, before this
 * returns; taken back when it fails. Dispatches "pick-undone" on the document, with the id, when it was undone.
 */
export async function togglePick(record, name) {
  const id = Number(record.dataset.recordId);
  const before = record.dataset.pick ?? null;
  const pick = name === before ? null : name;
  const state = underWay.get(id) ?? { count: 0, saved: before };
  underWay.set(id, state);
  state.count += 1;
  showPick(id, pick);
  const posted = post({ ids: [id] }, pick);
  const offer = offerUndo(pick ? messageOf(pick) : _("已取消标记"), () => undo(posted), { isOnlyLatest: true });
  try {
    await posted;
    state.saved = pick;
  } catch (error) {
    offer.remove();
    if (state.count === 1) showPick(id, state.saved); // else a later one is shown
    throw error;
  } finally {
    state.count -= 1;
    if (state.count === 0) underWay.delete(id);
  }
}

/** Set the choice of a target, as the API takes it; null clears it. changed() shows the list anew. */
export async function pickAll(target, pick, changed) {
  const posted = post(target, pick);
  const { changed: number } = await posted;
  await changed();
  const count = number.toLocaleString(language);
  const message = pick ? _("{word} {count} 条", { word: LABELS[pick], count }) : _("已取消 {count} 条的标记", { count });
  offerUndo(message, async () => {
    await undo(posted);
    await changed();
  });
}

/** Mark a record wherever it is shown; null removes the mark. */
function showPick(id, pick) {
  for (const element of document.querySelectorAll(`[data-record-id="${id}"]`)) {
    apply(element, { data: { pick } });
    show(element, { '[data-command="keep"]': { ariaPressed: String(pick === "keep") } });
    element.querySelector("[data-pick-mark]")?.remove();
    if (pick) element.querySelector("[data-image-url]")?.append(createMark(pick));
  }
}

/** The same as `pick_mark` of records/macros.html. */
function createMark(pick) {
  const label = create("span", { className: "sr-only", textContent: LABELS[pick] });
  return create("span", { className: "pick-mark", data: { pickMark: "" } }, create("i", { className: `icon ${ICONS[pick]}` }), label);
}

function messageOf(pick) {
  if (pick !== "reject" || loadItem(HAS_REJECTED)) return LABELS[pick];
  saveItem(HAS_REJECTED, true);
  return _("已标为淘汰，没有删除");
}

/** Set what the answer names as the choices before. */
async function undo(posted) {
  const { before } = await posted;
  for (const [name, ids] of Object.entries(before)) {
    if (!ids.length) continue;
    const pick = name === "none" ? null : name;
    await post({ ids }, pick);
    for (const id of ids) showPick(id, pick);
  }
  const [id, ...others] = Object.values(before).flat();
  if (id && !others.length) document.dispatchEvent(new CustomEvent("pick-undone", { detail: id }));
}

function post(target, pick) {
  const posted = latest.then(() => requestJson("POST", document.body.dataset.pickUrl, { ...target, pick }));
  latest = posted.catch(() => null);
  return posted;
}
