// What a row has to look at: its pictures, and a place for each one that is not there. One of them is a shot:
// {key, row, picture (null: not ordered), number (in the row, from 1), ratio, label, missing (how many a place stands for), isFirst (of
// those of the row that can be ordered)}. Of a product with a recipe each role is a row, which has a place also before it is ordered.

import { _ } from "../core/i18n.js";
import { ownSize } from "../core/sizes.js";

const ENDED = ["failed", "unknown", "cancelled"];
const BEGUN = ["success", "running", "queued", ...ENDED];
const [NARROWEST, WIDEST] = [0.5, 2.4];
export const GROUPS = ["all", "none", "keep", "reject", "failed", "waiting", "incomplete", "said"];

/**
 * What is shown of a row: {shots, earlier: how many of its earlier versions there are, made: pictures, own: those of them by the model that
 * the row asks for, isBegun, isFailed, isWaiting}.
 * shown: see store.js; model: the label of the model that the row asks for; role: of a product that has several rows. Earlier versions come with `isOpen`.
 */
export function lookAt(row, { pictures = [], missing = 0, state, is_gone: isGone = false }, { isOpen = false, model = "", role = "" } = {}) {
  const [now, others, earlier] = [[], [], []]; // asked for now, made of it by another model, and before
  const seen = pictures.filter(({ status, charged }) => status !== "cancelled" || charged);
  for (const picture of seen) {
    if (!picture.earlier) now.push(picture);
    else if (picture.model !== undefined && picture.model !== model) others.push(picture);
    else if (picture.status === "success") earlier.push(picture);
  }
  const failed = now.filter(({ status }) => status === "failed").length;
  const lacking = pictures.length > 0 || role ? Math.max(missing - failed, 0) : 0;
  const isPlace = lacking > 0 || (role && !isGone && now.length + others.length === 0);
  const parts = [
    ...now.map((picture) => [picture, others.length > 0 ? model : ""]),
    ...(isPlace ? [[null, ""]] : []),
    ...others.map((picture) => [picture, picture.model]),
    ...(isOpen ? earlier : []).map((picture) => [picture, _("早先")]),
  ];
  const first = parts.findIndex(([picture]) => !picture || picture.status === "failed" || picture.status === "cancelled");
  const shots = parts.map(([picture, label], index) => ({
    key: `${row.number}:${picture?.record_id ?? "-"}`, row, role, picture, number: index + 1, ratio: ratioOf(picture ?? {}, row), label,
    missing: picture ? 0 : lacking, isFirst: index === first, line: null, group: 0, // where it stands: see gallery_grid.js
  }));
  const made = (of) => of.filter(({ status }) => status === "success");
  return {
    shots, role, earlier: earlier.length, made: made([...now, ...others]), own: made(now),
    isBegun: seen.some(({ status }) => BEGUN.includes(status)),
    isFailed: now.some(({ status }) => ENDED.includes(status)),
    isWaiting: state === "held" || (missing > 0 && state !== "failed" && state !== "refused"),
  };
}

function ratioOf({ width, height }, { aspect_ratio: asked, resolution }) {
  const own = width ? { width, height } : ownSize(resolution) ?? ownSize(asked);
  const [across, down] = own ? [own.width, own.height] : String(asked || "1:1").split(/[:：]/).map(Number);
  return Math.min(Math.max(across / down || 1, NARROWEST), WIDEST);
}

/**
 * The products of rows that were looked at, with their shown part: number -> {product, row: its first, roles: how many, kept: of how many a
 * picture is kept, isBegun}. The server counts the same in totals.sets.
 */
export function setsOf(looked, pickOf) {
  const sets = new Map();
  for (const { row, role, shown: { product, is_gone: isGone }, own, isBegun } of looked) {
    if (!role) continue;
    if (!sets.has(product)) sets.set(product, { product, row, roles: 0, kept: 0, isBegun: false });
    const set = sets.get(product);
    set.isBegun ||= isBegun;
    if (isGone) continue;
    set.roles += 1;
    set.kept += Number(own.some((picture) => pickOf(picture) === "keep"));
  }
  return sets;
}

/**
 * The groups that a row belongs to; pickOf(picture): "keep", "reject" or "". A row of which nothing was begun only waits, but of a product,
 * see setsOf(), all rows are seen.
 */
export function groupsOf({ made, isBegun, isFailed, isWaiting }, pickOf, set = null) {
  const picks = made.map(pickOf);
  const isKept = picks.includes("keep");
  const isIn = { all: isBegun || set?.isBegun, incomplete: set && set.kept < set.roles, none: !isKept && picks.includes(""), keep: isKept, reject: picks.length > 0 && picks.every((pick) => pick === "reject"), failed: isFailed, waiting: isWaiting, said: made.some(({ client }) => client) };
  return GROUPS.filter((name) => isIn[name]);
}
