// A table with a recipe: where each product begins in the table, how many sets are complete, and its trial: of whole products, released by
// role. Loaded once such a table is open.

import { isOwnField, nameOfOwn, ownColumnsOf } from "./own_columns.js";
import { page, store, table } from "./open_table.js";
import { incompleteOf, releaseWords, releasedRoles, trialsOf } from "./set_plan.js";
import { columns, filter } from "./tools.js";
import { apply, copyOf, reconcileChildren, show } from "../core/dom.js";
import { _, formatSum } from "../core/i18n.js";
import { update } from "../grid/cells.js";

const [ROLE_COLUMNS, WORDS_COLUMN] = [/^(角色|变体)$/, /^原提示词$/]; // of RECIPE_COLUMNS of app/domain/recipes.py
const LABELS = { 角色: _("角色"), 变体: _("变体"), 原提示词: _("原提示词") }; // the columns keep their names
const CATEGORY_COLUMNS = /^(类目|品类|分类|类别|category)$/i; // as there
const GIVEN = ["negative_prompt", "sample_images", "filename"]; // columns that the recipe fills

const order = document.querySelector('[data-dialog="order"]');
const [showTrials, change] = [bindTrials(), document.querySelector("[data-sets-change]")];
const trialsIn = (plan) => trialsOf(plan.ordered, { shownOf: store.shownOf, rows: table.rows.all, categoryOf: categoryBy(store.recipe) });
showKeys();
markProducts();
countSets();
order.querySelector("[data-order-lines]").after(change);
order.append(document.querySelector("[data-sets-toasts]"));
change.querySelector("button").addEventListener("click", async () => { // over it, which then shows what is left
  (await import("./recipes.js")).openTableRecipes();
});
table.view.requestRender();

/** How many products are tried first, of those that are offered; undefined: there is one product, or none. */
export const sizeOf = (plan, size) => (trialsIn(plan).find((trial) => trial.size === size) ?? trialsIn(plan).at(-1))?.size;
export const released = releasedRoles;

/** What the order dialog says instead, {now: what is made first, words: of its button}, or null. */
export function lookAt(plan, { mode, sample }) {
  const trial = showTrials(mode === "start" ? trialsIn(plan) : [], plan, sample);
  const isByRole = mode === "release" && plan.lines.some(({ role }) => role);
  change.hidden = !isByRole;
  return isByRole ? { now: { ...plan, isExact: true }, words: releaseWords(plan) } : trial;
}

// In the table.

/** Where nobody chose other columns: what tells the products apart, and the roles, in the place of what the recipe says of all rows. */
function showKeys() {
  const { head } = table;
  let known = "";

  function update() {
    const own = table.allColumns.filter(({ field }) => field && isOwnField(field));
    const key = own.find(({ field }) => !(nameOfOwn(field) in LABELS));
    const wanted = own.filter((column) => column === key || ROLE_COLUMNS.test(nameOfOwn(column.field)));
    if (known === wanted.map(({ name }) => name).join()) return;
    known = wanted.map(({ name }) => name).join();
    for (const column of wanted) Object.assign(column, { isWanted: true, kind: "option" }); // as narrow as those
    for (const column of own) column.label = LABELS[nameOfOwn(column.field)] ?? column.label;
    for (const column of table.allColumns) if (GIVEN.includes(column.name)) column.hidden = true;
    columns.update();
    for (const label of head.querySelectorAll(".is-added")) { // one that was shown before
      const words = LABELS[label.textContent] ?? label.textContent;
      apply(label, { textContent: words, title: words });
    }
  }

  store.watch(update);
  update();
}

/** Mark the first row of each product, and the own cells of the others that repeat what stands above. */
function markProducts() {
  const number = table.allColumns.find(({ kind }) => kind === "number");
  const { render } = number;
  const productOf = (row) => (row ? store.shownOf(row).product : 0);
  const nameOf = (row) => Object.entries(ownColumnsOf(row)).find(([name, text]) => text && !ROLE_COLUMNS.test(name) && !WORDS_COLUMN.test(name))?.[1] ?? null;

  number.render = (cell, row) => {
    render(cell, row);
    const element = cell.element.parentElement;
    const above = table.rows.shown[element.dataset.row - 2];
    const { product, role } = store.shownOf(row);
    const isStart = product !== productOf(above);
    const repeated = isStart || !product ? [] : table.columns.filter(({ field }) => field && isOwnField(field)
      && row[field] === above[field] && !ROLE_COLUMNS.test(nameOfOwn(field))).map(({ name }) => name);
    const name = product ? nameOf(row) : null;
    update(cell, "set", [isStart, role, name, ...repeated].join("\0"), () => {
      apply(element, { classes: { "is-set-start": isStart && element.dataset.row > 1 } });
      apply(cell.element, { data: { role: role || null } });
      apply(element.querySelector(".is-prompt"), { data: { product: name } });
      for (const one of element.querySelectorAll(".is-added")) apply(one, { classes: { "is-repeated": repeated.includes(one.dataset.column) } });
    });
  };
}

/** In the foot: how many products there are, how many sets are complete; a press shows the others. */
function countSets() {
  const which = _("没齐的产品");
  const button = document.querySelector("[data-sets]");
  page.querySelector("[data-footer-sum]").after(button);
  let incomplete = null;

  function update() {
    const { sets } = store.totals ?? {};
    const words = sets && _("{all} 个产品 · {n} 套齐了", { all: sets.all, n: sets.complete });
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

// In the order dialog.

// -> categoryOf(row): its text by the column that the recipe names, else the first usual one; "" without one.
function categoryBy(recipe) {
  const isCategory = (name) => (recipe?.category ? name === recipe.category : CATEGORY_COLUMNS.test(name.trim()));
  return (row) => Object.entries(ownColumnsOf(row)).find(([name, text]) => text && isCategory(name))?.[1] ?? "";
}

/** Put the choices of a trial in the place of the number of rows. Returns show(trials, plan, sample: products) -> as lookAt(). */
function bindTrials() {
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

  return (trials, plan, sample) => {
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
    const now = choices.find((choice) => choice.size === sample);
    if (!now) return null;
    const words = sample > 0 ? _("先试 {n} 个产品 · {pictures} 张 {sum}", { n: sample, pictures: now.pictures, sum: formatSum(now) }) : null;
    return { now: { ...now, isExact: true }, words };
  };
}
