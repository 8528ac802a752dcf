// What the dialog of recipes shows: show() writes everything that the dialog owns, but the form of a role.

import { RoleForm } from "./role_form.js";
import { changeWords, placeOf, problemLines, sumWords } from "./roles.js";
import { apply, copyOf, create, jsonOf, reconcileChildren, show } from "../core/dom.js";
import { followPointer } from "../core/drag.js";
import { _ } from "../core/i18n.js";

const MOST_ROWS = 12; // of a problem
const NEW = "";

export class RecipesView {
  #dialog;
  #form;
  #commands;
  #state = {};
  #what = {};

  /** commands: see dialog.js. */
  constructor(dialog, commands) {
    this.#dialog = dialog;
    this.#commands = commands;
    this.#form = new RoleForm(dialog.querySelector("[data-recipes-form]"), jsonOf(dialog, "takes"), { changed: commands.changeRole, pick: commands.pick });
    const presses = {
      "[data-recipes-item]": ({ recipesItem: at }) => commands.chooseRole(Number(at)), "[data-recipes-add]": commands.addRole, "[data-role-remove]": commands.removeRole,
      "[data-role-move]": ({ roleMove: by }) => commands.moveRole(Number(by)), "[data-recipes-store]": commands.store, "[data-recipes-apply]": commands.apply,
      "[data-recipes-rename]": commands.rename, "[data-recipes-revert]": commands.revert, "[data-recipes-delete]": commands.remove,
      "[data-recipes-unnamed]": commands.unname, "[data-recipes-import]": () => this.#find("[data-recipes-file]").click(),
      "[data-problem-role]": ({ problemRole: at, problemField: field }) => this.#lead(Number(at), field), "[data-problem-row]": ({ problemRow: row, problemColumn: column }) => commands.goToRow(Number(row), column), "[data-problem-upload]": commands.upload,
    };
    dialog.addEventListener("click", ({ target }) => {
      const hook = Object.keys(presses).find((selector) => target.closest(selector));
      if (hook && target.closest(hook).ariaDisabled !== "true") presses[hook](target.closest(hook).dataset);
    });
    this.#find("[data-recipes-choice]").addEventListener("change", ({ target }) => commands.choose(target.value));
    this.#find("[data-recipes-file]").addEventListener("change", ({ target }) => {
      commands.importFile(target.files[0]);
      target.value = "";
    });
    this.#find("[data-recipes-naming]").addEventListener("submit", (event) => {
      event.preventDefault();
      commands.name(event.target.elements.name.value.trim());
    });
    const list = this.#find("[data-recipes-roles]");
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("pointerdown", (event) => this.#drag(event));
  }

  #find(hook) { return this.#dialog.querySelector(hook); }
  get #items() { return [...this.#dialog.querySelectorAll("[data-recipes-item]")]; }

  /** To the role that is chosen, or to a field of it. */
  focus(field = "") {
    if (field) this.#form.focus(field);
    else this.#items[this.#state.at]?.focus();
  }

  focusName() {
    const { name } = this.#find("[data-recipes-naming]").elements;
    name.value = this.#state.naming.name;
    name.select();
  }

  #lead(at, field) {
    this.#commands.chooseRole(at);
    this.#form.focus(field);
  }

  /** Arrows move among the roles, with Alt they move the role; Delete removes it. */
  #key(event) {
    const { key, altKey } = event;
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[key];
    if (!by && key !== "Delete") return;
    event.preventDefault();
    if (key === "Delete") this.#commands.removeRole();
    else if (altKey) this.#commands.moveRole(by);
    else this.#commands.chooseRole(Math.min(Math.max(this.#state.at + by, 0), this.#items.length - 1));
    this.focus();
  }

  /** A role follows the pointer, by its grip. */
  #drag(start) {
    const item = start.target.closest("[data-role-grip]")?.closest("[data-recipes-item]");
    if (!item) return;
    start.preventDefault();
    this.#commands.chooseRole(Number(item.dataset.recipesItem));
    followPointer(start, {
      move: ({ clientY }) => {
        const over = this.#items.findIndex((other) => clientY < other.getBoundingClientRect().bottom);
        const to = over < 0 ? this.#items.length - 1 : over;
        if (to !== this.#state.at) this.#commands.moveRole(to - this.#state.at);
      },
    });
  }

  show(state, what) {
    this.#state = state;
    this.#what = what;
    const { recipe, answer, isAsking, isChanged, error, field, naming, chosen, at } = state;
    const own = state.recipes.some(({ name, built_in: isBuiltIn }) => !isBuiltIn && chosen === `=${name}`);
    const lines = answer ? problemLines(answer) : [];
    const bad = problemsByRole(recipe, lines, error, placeOf(field));
    const [sum, price] = answer ? sumWords(answer, recipe.roles.length, what.recipe ? changeWords(what.recipe, recipe) : "") : [isAsking ? _("正在数…") : unwritten(recipe), ""];
    show(this.#dialog, {
      "[data-recipes-of]": what.title ?? "", "[data-recipes-intro]": { textContent: what.intro ?? "", hidden: !what.intro },
      "[data-recipes-sum-line]": { hidden: !what.table, ariaBusy: String(isAsking), classes: { "is-waiting": isAsking } }, "[data-recipes-sum]": sum, "[data-recipes-price]": price,
      "[data-recipes-error]": error, "[data-recipes-columns]": { inert: state.isLoading }, "[data-recipes-footer]": { hidden: Boolean(naming) }, "[data-recipes-naming]": { hidden: !naming },
      "[data-recipes-store]": { ariaDisabled: String(own && !isChanged), classes: { "is-primary": !what.table } },
      "[data-recipes-apply]": { hidden: !what.table, ariaDisabled: String(!answer || Boolean(error) || state.isApplying), data: { busy: state.isApplying ? "" : null } },
      "[data-recipes-export]": { href: `${this.#dialog.dataset.recipesUrl}/${encodeURIComponent(chosen.slice(1))}/sheet.xlsx`, hidden: !chosen.startsWith("=") || isChanged },
      "[data-recipes-rename]": { hidden: !own }, "[data-recipes-delete]": { hidden: !own }, "[data-recipes-revert]": { hidden: !isChanged },
      '[data-role-move="-1"]': { disabled: at === 0 }, '[data-role-move="1"]': { disabled: at === recipe.roles.length - 1 }, "[data-role-remove]": { disabled: recipe.roles.length < 2 },
    });
    this.#showChoices(state);
    this.#showRoles(recipe.roles, at, bad);
    this.#showProblems(lines);
    const { columns, pictures, hasReferences, hasPrompts, model } = what;
    const names = [...columns, ...(hasPrompts ? [this.#dialog.dataset.wordsColumn] : []), ...jsonOf(this.#dialog, "variables")];
    const role = recipe.roles[at];
    this.#form.show({ role, columns: [...new Set(names)], pictures, hasReferences, model, bad: bad[at] ?? {}, sent: answer?.first.filter((row) => row.role === role.role) ?? [] });
  }

  #showChoices({ recipes, chosen, isTyped }) {
    const select = this.#find("[data-recipes-choice]");
    const option = (key, name) => ({ key, label: isTyped(key) ? _("{name}（没有保存）", { name }) : name });
    const named = (isBuiltIn) => recipes.filter((each) => each.built_in === isBuiltIn).map(({ name }) => option(`=${name}`, name));
    const groups = [
      ["", this.#what.recipe ? [option("table", _("这个表格用的：{name}", { name: this.#what.recipe.name }))] : []],
      [_("自己的"), named(false)], [_("自带的"), named(true)], ["", [option(NEW, _("新配方"))]],
    ];
    const now = JSON.stringify(groups);
    if (select.dataset.shown !== now) {
      const options = (list) => list.map(({ key, label }) => create("option", { value: key, textContent: label }));
      select.replaceChildren(...groups.flatMap(([label, list]) => (label && list.length > 0 ? [create("optgroup", { label }, ...options(list))] : options(list))));
      select.dataset.shown = now;
    }
    apply(select, { value: chosen });
  }

  #showRoles(roles, at, bad) {
    const [list, template] = [this.#find("[data-recipes-roles]"), this.#find("[data-recipes-role]")];
    reconcileChildren(list, roles.map((_role, index) => copyOf(template, { "": { data: { key: index } }, button: { data: { recipesItem: index } } })), ({ dataset }) => dataset.key);
    roles.forEach(({ role, aspect_ratio: ratio = "1:1", num_images: count = 1 }, index) => {
      const problem = Object.values(bad[index] ?? {})[0] ?? "";
      show(list.children[index], {
        button: { ariaCurrent: index === at ? "true" : null, tabIndex: index === at ? 0 : -1 }, ".shape": { data: { ratio } },
        "[data-role-name]": role || _("没有名字"), "[data-role-count]": count > 1 ? `×${count}` : "",
        "[data-role-mark]": { hidden: !problem, title: problem, textContent: problem ? _("有问题") : "" },
      });
    });
  }

  #showProblems(lines) {
    const [list, template] = [this.#find("[data-recipes-problems]"), this.#find("[data-recipes-problem]")];
    const rolesNow = this.#state.recipe.roles.map(({ role }) => role);
    reconcileChildren(list, lines.map((line) => copyOf(template, { "": { data: { key: JSON.stringify(line) } } })), ({ dataset }) => dataset.key);
    lines.forEach((line, index) => {
      const at = Math.max(rolesNow.indexOf(line.roles[0]), 0);
      show(list.children[index], { button: { textContent: line.words, data: { problemRole: at, problemField: line.field } } });
      const rows = list.children[index].querySelector("[data-problem-rows]");
      if (rows.childElementCount === 0) rows.replaceChildren(...this.#rows(line, this.#state.recipe.roles[at]));
    });
    list.hidden = lines.length === 0;
  }

  // The products with a problem, by their rows; a photo that the library lacks can be added here.
  #rows({ products, isAll, field }, { sample_images: images }) {
    const hint = (textContent) => create("span", { className: "hint", textContent });
    const { column } = (field === "sample_images" && images?.find(({ column: name }) => this.#what.columns.includes(name))) || {};
    const upload = column ? [create("button", { type: "button", className: "button is-link", textContent: _("上传图片…"), data: { problemUpload: "" } })] : [];
    if (isAll) return [hint(_("所有产品")), ...upload];
    const chips = products.slice(0, MOST_ROWS).map((row) => create("button", {
      type: "button", className: "chip", textContent: String(row), ariaLabel: _("到第 {row} 行", { row }), data: { problemRow: row, ...(column && { problemColumn: column }) },
    }));
    const rest = products.length - chips.length;
    return [hint(_("{n} 个产品，行号", { n: products.length })), ...chips, ...(rest > 0 ? [hint(_("还有 {n} 个", { n: rest }))] : []), ...upload];
  }
}

/** What is still to be written before anything can be counted. */
function unwritten({ roles }) {
  const { role = "" } = roles.find(({ role: name, prompt }) => !name.trim() || !prompt.trim()) ?? {};
  return role.trim() ? _("「{role}」还没有提示词", { role }) : "";
}

/** Place of a role -> {field: sentence}: of what the server refuses, else of the problems of its rows. */
function problemsByRole({ roles }, lines, error, place) {
  const found = {};
  const add = (at, field, words) => ((found[at] ??= {})[field] ??= words);
  if (place) add(place.at, place.field, error);
  for (const line of lines) roles.forEach(({ role }, at) => { if (line.roles.includes(role)) add(at, line.field, line.error); });
  return found;
}
