// What a row has to look at: its pictures, and a place for each one that is not there. One of them is a shot:
// {key, row, picture (null: not ordered), number (in the row, from 1), ratio, label, missing (how many a place stands for), isFirst (of
// those of the row that can be ordered)}.

import { _ } from "../core/i18n.js";

const ENDED = ["failed", "unknown"];
const BEGUN = ["success", "running", "queued", ...ENDED];
const [NARROWEST, WIDEST] = [0.5, 2.4];
export const GROUPS = ["all", "none", "keep", "reject", "failed", "waiting"];

/** Pictures of a row by what they are: those it asks for now, those that another model made of it, and earlier versions. */
function kindsOf({ pictures = [] }, model) {
  const listed = pictures.filter(({ status }) => status !== "cancelled");
  const isOther = (picture) => picture.earlier && picture.model !== undefined && picture.model !== model;
  return {
    now: listed.filter(({ earlier }) => !earlier),
    others: listed.filter(isOther),
    earlier: listed.filter((picture) => picture.earlier && picture.status === "success" && !isOther(picture)),
  };
}

/**
 * What is shown of a row: {shots, earlier: how many of its earlier versions there are}. shown: see store.js; model: the label of the
 * model that the row asks for. Earlier versions come with `isOpen`.
 */
export function lookAt(row, shown, { isOpen = false, model = "" } = {}) {
  const { now, others, earlier } = kindsOf(shown, model);
  const shots = [
    ...now.map((picture) => ({ picture, label: others.length > 0 ? model : "" })),
    ...others.map((picture) => ({ picture, label: picture.model })),
    ...(isOpen ? earlier : []).map((picture) => ({ picture, label: _("早先") })),
  ];
  const lacking = (shown.missing ?? 0) - now.filter(({ status }) => status === "failed").length;
  if (lacking > 0 && shown.pictures?.length > 0) shots.splice(now.length, 0, { picture: null, label: "", missing: lacking });
  const first = shots.findIndex(({ picture }) => !picture || picture.status === "failed");
  return { earlier: earlier.length, shots: shots.map((shot, index) => ({
    ...shot, row, number: index + 1, isFirst: index === first, key: `${row.number}:${shot.picture?.record_id ?? "-"}`, ratio: ratioOf(shot.picture ?? {}, row),
  })) };
}

function ratioOf({ width, height }, { aspect_ratio: asked }) {
  const [across, down] = width ? [width, height] : String(asked || "1:1").split(/[:：]/).map(Number);
  return Math.min(Math.max(across / down || 1, NARROWEST), WIDEST);
}

/** The groups that a row belongs to; pickOf(picture): "keep", "reject" or nothing. A row of which nothing was begun only waits. */
export function groupsOf(shown, pickOf, model) {
  const { state, missing = 0, pictures = [] } = shown;
  const { now, others } = kindsOf(shown, model);
  const picks = [...now, ...others].filter(({ status }) => status === "success").map(pickOf);
  const isKept = picks.includes("keep");
  const belongs = {
    all: pictures.some(({ status }) => BEGUN.includes(status)),
    none: !isKept && picks.some((pick) => !pick),
    keep: isKept,
    reject: picks.length > 0 && picks.every((pick) => pick === "reject"),
    failed: now.some(({ status }) => ENDED.includes(status)),
    waiting: state === "held" || (missing > 0 && state !== "failed" && state !== "refused"),
  };
  return GROUPS.filter((name) => belongs[name]);
}
