// What an order of rows comes to, by what the server says of each of them: the lines of the order dialog. No page, no call.

import { addUp, dueOf } from "./costs.js";
import { FAILED, madePictures } from "./states.js";
import { _, formatDuration, formatSum } from "../core/i18n.js";

/** Kinds of rows: these are ordered unless they are left out, those only when it is asked for, the others never. */
const ORDERED = ["make", "failed", "trashed"];
const REPEATABLE = ["share", "made", "paid", "unknown"];
const ROLE = "role:"; // before its name, a kind of what is released of a table with a recipe
const WORDS = {
  make: (n) => _("要做的 {n} 行", { n }),
  failed: (n) => _("上次没有做成的 {n} 行", { n }),
  trashed: (n) => _("图片在回收站的 {n} 行", { n }),
  share: (n) => _("{n} 行和别的行一样：共用那一行的图，不再付钱", { n }),
  made: (n) => _("{n} 行已经有图", { n }),
  paid: (n) => _("{n} 行付过，没有图", { n }),
  unknown: (n) => _("{n} 行结果未知，可能已计费", { n }),
  held: (n) => _("{n} 行等你看过", { n }),
  busy: (n) => _("{n} 行正在做", { n }),
  problem: (n) => _("{n} 行有问题，先不做", { n }),
};
const OPTIONS = {
  failed: () => _("也再试一次"),
  share: (sum) => _("各做一张 · {sum}", { sum }),
  made: (sum) => _("再做一遍 · {sum}", { sum }),
  paid: (sum) => _("再付一次 · {sum}", { sum }),
  unknown: (sum) => _("再付一次 · {sum}", { sum }),
};

/** shown: see shownNow(). */
export function kindOf(shown) {
  const { state } = shown;
  if (state === "empty" || state === "problem" || state === "held") return state;
  if (dueOf(shown) > 0) return state === "trashed" ? state : FAILED.includes(state) ? "failed" : "make";
  if (state === "queued" || state === "running") return "busy";
  return state === "made" || state === "unknown" || state === "paid" ? state : "share";
}

/**
 * What is ordered of entries [{row, role: if it is released by itself, shown, wanted: pictures, held: pictures that a release makes, each: CNY for one, NaN when unknown, model}].
 *
 * mode: "start" what is missing; "release" what is held; "more" one picture of each; "model" all from another model. chosen: kind ->
 * whether it is ordered, where that was said. -> {lines, ordered: entries with count and price, rows: those to send, again: those of them that are made although there are
 * pictures, pictures, price, unpriced, isUniform: whether each row comes to the same, byModel: model -> pictures}
 */
export function planOrder(entries, { mode = "start", chosen = {} } = {}) {
  const groups = {};
  for (const entry of entries) (groups[kindIn(mode, entry)] ??= []).push(entry);
  const isOrdered = (kind) => (mode === "release" || REPEATABLE.includes(kind) || ORDERED.includes(kind)) && (chosen[kind] ?? !REPEATABLE.includes(kind));
  const kinds = mode === "release" ? Object.keys(groups) : Object.keys(WORDS).filter((kind) => groups[kind]);
  const ordered = kinds.filter(isOrdered).flatMap((kind) => groups[kind].map((entry) => ({ ...entry, kind, ...costOf(entry, kind, mode) })));
  const shared = isOrdered("share") ? [] : groups.share ?? []; // they go with the run, so that its results have them
  const byModel = new Map();
  for (const { model, count } of ordered) byModel.set(model, (byModel.get(model) ?? 0) + count);
  return {
    lines: kinds.map((kind) => lineOf(kind, groups[kind], { mode, isOn: isOrdered(kind) })),
    rows: [...ordered, ...(ordered.length > 0 ? shared : [])].map(({ row }) => row),
    ordered, made: ordered.length,
    again: ordered.filter(({ kind }) => mode === "more" || (REPEATABLE.includes(kind) && kind !== "paid")).map(({ row }) => row), // what was paid is ordered by its name
    pictures: total(ordered),
    ...addUp(ordered),
    isUniform: ordered.every(({ count, price }) => count === ordered[0].count && price === ordered[0].price),
    byModel,
  };
}

function kindIn(mode, { shown, role }) {
  const kind = kindOf(shown);
  if (mode === "start" || kind === "empty" || kind === "problem") return kind;
  if (mode === "model") return shown.same_as ? "share" : "make";
  return mode === "release" && role ? ROLE + role : "make";
}

/** {count, price} of what is made of a row. */
function costOf({ shown, wanted, held, each }, kind, mode) {
  if (mode === "start" && ORDERED.includes(kind)) return { count: dueOf(shown), price: shown.price };
  const count = mode === "more" ? 1 : mode === "release" ? held : kind === "paid" ? Math.max(wanted - madePictures(shown).length, 1) : wanted;
  return { count, price: count * each };
}

/** How many pictures of a row wait for the trial of this run; those of an equal row wait there. */
export function heldOf({ state, pictures = [] }, id) {
  return state === "held" ? pictures.filter(({ run, earlier, shared }) => run === id && !earlier && !shared).length : 0;
}

const total = (sums) => sums.reduce((sum, { count }) => sum + count, 0);

function lineOf(kind, entries, { mode, isOn }) {
  const sums = entries.map((entry) => costOf(entry, kind, mode));
  const cost = { pictures: total(sums), ...addUp(sums) };
  const isExtra = !ORDERED.includes(kind);
  const role = kind.startsWith(ROLE) ? kind.slice(ROLE.length) : "";
  const option = role || (mode === "start" && OPTIONS[kind]?.(formatSum(cost)));
  const words = role || (mode === "release" ? _("其余的 {n} 行", { n: entries.length }) : WORDS[kind](entries.length));
  return { kind, role, words, option: option || "", isOn, isFree: REPEATABLE.includes(kind), ...(isExtra && !isOn ? { pictures: 0, price: 0, unpriced: 0 } : cost) };
}

/** What is made first: everything, or `sample` rows, which the server chooses. */
export function portionOf({ made, pictures, price, unpriced, isUniform }, sample) {
  if (!sample) return { pictures, price, unpriced, isExact: true };
  const share = sample / made;
  return { pictures: Math.ceil(pictures * share), price: price * share, unpriced: Math.ceil(unpriced * share), isExact: isUniform };
}

/** The words of the button that orders. */
export function orderWords(plan, { mode = "start", sample = 0 } = {}) {
  if (plan.made === 0) return _("没有要做的");
  const { pictures, isExact, ...cost } = portionOf(plan, sample);
  const sum = isExact || !(cost.price > 0) ? formatSum(cost) : _("约 {sum}", { sum: formatSum(cost) });
  if (mode === "release") return restWords(plan);
  if (sample) return _("先试 {n} 行 · {sum}", { n: sample, sum });
  if (mode === "more") return _("再来 {n} 张 · {sum}", { n: pictures, sum });
  if (plan.lines.some(({ kind }) => kind === "problem")) return _("做没有问题的 {n} 行 · {sum}", { n: plan.made, sum });
  return _("生成 {n} 张 · {sum}", { n: pictures, sum });
}

/** The words of a button that orders what waits for the trial. */
export function restWords(plan) {
  return _("做其余的 {n} 行 · {sum}", { n: plan.made, sum: formatSum(plan) });
}

// How long pictures will take.

/** A range from what was measured, with how many are under way at once; "" while nothing was measured. model: see batch_model on the server. */
export function durationOf(pictures, { seconds, concurrency }) {
  if (!seconds || !concurrency || pictures === 0) return "";
  const turns = Math.ceil(pictures / concurrency);
  const [low, high] = [seconds.low, seconds.high].map((each) => formatDuration(turns * each));
  return _("约 {time}，同时 {n} 张", { time: rangeOf(low, high), n: concurrency });
}

// The unit once, where both have the same: 4–5 分钟.
function rangeOf(low, high) {
  if (low === high) return low;
  const [from, to] = [low, high].map((text) => /^(\d+)(\D+)$/.exec(text));
  return from && to && from[2] === to[2] ? `${from[1]}–${high}` : _("{low} 到 {high}", { low, high });
}
