// A table with a recipe: where each product begins in the table, how many sets are complete, and its trial: of whole products, released by
// role. Loaded once such a table is open.

import { addUp } from "./costs.js";
import { isOwnField, nameOfOwn, ownColumnsOf } from "./own_columns.js";
import { apply, copyOf, reconcileChildren, show } from "../core/dom.js";
import { attempt, requestJson } from "../core/http.js";
import { _, formatSum, language } from "../core/i18n.js";
import { update } from "../grid/cells.js";
import { showError } from "../ui/toast.js";

const [ROLE_COLUMNS, WORDS_COLUMN] = [/^(角色|变体)$/, /^原提示词$/]; // of RECIPE_COLUMNS of app/domain/recipes.py
const CATEGORY_COLUMNS = /^(类目|品类|分类|类别|category)$/i; // as there
const GIVEN = ["negative_prompt", "filename"]; // columns that the recipe fills
const MOST_NAMED = 3; // roles on a button

/** batch: see pages/batch.js. Returns {lookAt(plan, how), released(plan)} for the order dialog. */
export function makeSets(batch) {
  const { table, store } = batch;
  showKeys(batch);
  markProducts(batch);
  countSets(batch);
  lookAtMade(batch);
  const trials = makeTrials(batch);
  table.view.requestRender();
  return {
    /** What the dialog says instead, {now: what is made first, words: of its button}, or null: there is one product, or none. */
    lookAt(plan, { mode, sample }) {
      if (mode === "release" && plan.lines.some(({ role }) => role)) return { now: { ...plan, isExact: true }, words: releaseWords(plan) };
      return trials.show(mode === "start" ? trialsOf(plan.ordered, { shownOf: store.shownOf, place: table.rows.all, category: categoryOf(store.recipe) }) : [], plan, sample);
    },
    released: releasedRoles,
  };
}

// In the table.

/** Where nobody chose other columns: what tells the products apart, and the roles, in the place of what the recipe says of all rows. */
function showKeys({ table, store, columns }) {
  let known = "";

  function update() {
    const own = table.allColumns.filter(({ field }) => field && isOwnField(field));
    const key = own.find(({ label }) => !ROLE_COLUMNS.test(label) && !WORDS_COLUMN.test(label));
    const wanted = own.filter((column) => column === key || ROLE_COLUMNS.test(column.label));
    if (known === wanted.map(({ name }) => name).join()) return;
    known = wanted.map(({ name }) => name).join();
    for (const column of wanted) column.isWanted = true;
    for (const column of table.allColumns) if (GIVEN.includes(column.name)) column.hidden = true;
    columns.update();
  }

  store.watch(update);
  update();
}

/** Mark the first row of each product, and the own cells of the others that repeat what stands above. */
function markProducts({ table, store }) {
  const number = table.allColumns.find(({ kind }) => kind === "number");
  const { render } = number;
  const productOf = (row) => (row ? store.shownOf(row).product : 0);

  number.render = (cell, row) => {
    render(cell, row);
    const element = cell.element.parentElement;
    const above = table.rows.shown[element.dataset.row - 2];
    const { product, role } = store.shownOf(row);
    const isStart = product !== productOf(above);
    const repeated = isStart || !product ? [] : table.columns.filter(({ field }) => field && isOwnField(field)
      && row[field] === above[field] && !ROLE_COLUMNS.test(nameOfOwn(field))).map(({ name }) => name);
    update(cell, "set", [isStart, role, ...repeated].join("\0"), () => {
      apply(element, { classes: { "is-set-start": isStart && element.dataset.row > 1 } });
      apply(cell.element, { data: { role: role || null } });
      for (const one of element.querySelectorAll(".is-added")) apply(one, { classes: { "is-repeated": repeated.includes(one.dataset.column) } });
    });
  };
}

/** In the foot: how many products there are, how many sets are complete; a press shows the others. */
function countSets({ page, table, store, filter }) {
  const which = _("没齐的产品");
  const button = document.querySelector("[data-sets]");
  page.querySelector("[data-footer-sum]").before(button);
  let incomplete = null;

  function update() {
    const { sets } = store.totals ?? {};
    const words = sets && _("{all} 个产品 · {n} 套齐了", { all: sets.all.toLocaleString(language), n: sets.complete.toLocaleString(language) });
    apply(button, { hidden: !sets, textContent: words ?? "", ariaPressed: String(filter.which === which) });
  }

  button.addEventListener("click", () => {
    if (filter.which === which) filter.clear();
    else filter.show(which, (row) => (incomplete ??= incompleteOf(table.rows.all, store.shownOf)).has(store.shownOf(row).product));
  });
  store.watch(() => {
    incomplete = null;
    update();
  });
  table.rows.watchShown(update);
  update();
}

/** The products with a role of which no picture is kept; the server counts them in totals.sets. */
export function incompleteOf(rows, shownOf) {
  const isKept = ({ status, pick, earlier }) => status === "success" && pick === "keep" && !earlier;
  const lacking = rows.map(shownOf).filter(({ product, is_gone: isGone, pictures }) => product && !isGone && !pictures.some(isKept));
  return new Set(lacking.map(({ product }) => product));
}

/** In the strip, while a run waits for somebody to look at its trial: the products that it made something of, as pictures. */
function lookAtMade({ page, table, store, filter, urls }) {
  const release = page.querySelector("[data-run-release]");
  const button = document.querySelector("[data-look]");
  const follow = () => apply(button, { hidden: release.hidden });
  release.before(button);
  new MutationObserver(follow).observe(release, { attributeFilter: ["hidden"] });
  follow();
  button.addEventListener("click", () => attempt(async () => {
    const { ids } = await requestJson("GET", `${urls.records}/ids?${new URLSearchParams({ batch_id: store.runId })}`);
    const ofRun = new Set(ids);
    const isMade = ({ record_id: id, status }) => status !== "held" && ofRun.has(id);
    const made = new Set(table.rows.all.map(store.shownOf).filter(({ product, pictures }) => product && pictures.some(isMade)).map(({ product }) => product));
    filter.show(_("做好的产品"), (row) => made.has(store.shownOf(row).product));
    page.querySelector('[data-view-name="pictures"]').click();
  }, showError));
}

// In the order dialog.

/**
 * What can be tried first of what is ordered, entries of planOrder(): [{words, size: products}]. The server chooses the same: the first
 * product, and the first of each other category. place: all rows in their order; category(row): "" without one.
 */
export function trialsOf(ordered, { shownOf, place, category }) {
  const order = new Map(place.map((row, index) => [row, index]));
  const entries = [...ordered].sort((one, other) => order.get(one.row) - order.get(other.row));
  const products = Map.groupBy(entries, ({ row }) => shownOf(row).product || row);
  if (products.size < 2 || !entries.some(({ row }) => shownOf(row).product)) return [];
  const first = new Map();
  for (const [{ row }] of products.values()) if (!first.has(category(row))) first.set(category(row), shownOf(row).product || row);
  const trialOf = (words, chosen) => {
    const parts = chosen.flatMap((product) => products.get(product));
    return { words, size: chosen.length, pictures: parts.reduce((sum, { count }) => sum + count, 0), ...addUp(parts) };
  };
  const one = trialOf(_("先试 {n} 个产品", { n: 1 }), [[...products.keys()][0]]);
  const each = trialOf(_("每类先试 1 个（{n} 个）", { n: first.size }), [...first.values()]);
  return first.size > 1 && first.size < products.size ? [one, each] : [one];
}

/** category(row) -> its text, by the column that a recipe names, else the first usual one. */
export function categoryOf(recipe) {
  const isCategory = (name) => (recipe?.category ? name === recipe.category : CATEGORY_COLUMNS.test(name.trim()));
  return (row) => Object.entries(ownColumnsOf(row)).find(([name, text]) => text && isCategory(name))?.[1] ?? "";
}

/** The choices of a trial, in the place of the number of rows. */
function makeTrials({ dialog }) {
  const order = dialog("order");
  const rows = order.querySelector("[data-order-trial]");
  const [isSample, size] = ["[data-order-sample]", "[data-order-size]"].map((hook) => order.querySelector(hook));
  const list = document.querySelector("[data-trials]");
  const template = list.querySelector("[data-trial-template]");
  rows.before(list);

  // Through the fields that a table without a recipe shows.
  list.addEventListener("change", ({ target: { value } }) => {
    if (value === "0") apply(isSample, { checked: false });
    else apply(size, { max: "", value });
    (value === "0" ? isSample : size).dispatchEvent(new Event(value === "0" ? "change" : "input"));
  });

  return {
    show(trials, plan, sample) {
      const choices = trials.length > 0 ? [{ words: _("全部做"), size: 0, ...plan }, ...trials] : [];
      list.hidden = choices.length === 0;
      const labels = choices.map(({ size: n }) => copyOf(template, { "": { data: { size: n } }, input: { value: String(n) } }));
      reconcileChildren(list, [template, ...labels], ({ dataset }) => dataset.size);
      choices.forEach((choice, index) => show(list.children[index + 1], {
        input: { checked: choice.size === sample },
        "[data-trial-words]": choice.words,
        "[data-trial-pictures]": choice.size > 0 ? _("{n} 张", { n: choice.pictures }) : "", // of all it stands above
        b: choice.size > 0 ? formatSum(choice) : "",
      }));
      if (choices.length === 0) return null;
      const now = choices.find((choice) => choice.size === sample) ?? choices[0];
      const words = sample > 0 && _("先试 {n} 个产品 · {pictures} 张 {sum}", { n: now.size, pictures: now.pictures, sum: formatSum(now) });
      return { now: { ...now, isExact: true }, words: words || null };
    },
  };
}

/** What is sent to release some of the roles; of all, nothing. */
export function releasedRoles({ lines }) {
  const on = lines.filter(({ isOn }) => isOn);
  return on.length < lines.length && { roles: on.map(({ role }) => role) };
}

function releaseWords(plan) {
  if (plan.made === 0) return null;
  const names = plan.lines.filter(({ isOn }) => isOn).map(({ words }) => words);
  const roles = names.length > MOST_NAMED ? _("{n} 个角色", { n: names.length }) : names.join(_("、"));
  return _("放行 {roles} · {n} 张 {sum}", { roles, n: plan.pictures, sum: formatSum(plan) });
}
