// 配方: roles that make a set of pictures of each product. The state of the dialog stands in #state; what is on the screen follows from it in
// RecipesView. Nothing is bought here: the server counts what the table would be, and makes its rows at the press.

import { fitted, freshName, isSame, moved, normalRecipe, pictureColumns } from "./roles.js";
import { RecipesView } from "./view.js";
import { attempt, HttpError, requestJson } from "../core/http.js";
import { _ } from "../core/i18n.js";
import { lazy, loadDialog, showWait } from "../core/lazy.js";
import { loadItem, saveItem } from "../core/storage.js";
import { offerUndo, showError, showToast } from "../ui/toast.js";

const DRAFTS = "recipes.drafts"; // what is typed and not stored, in storage: key of the choice -> recipe
const LAST = "recipes.last";
const MOST_DRAFTS = 20;
const PAUSE = 300; // ms from a change until it is counted
const NEW = "";
const TABLE = "table"; // the choices: NEW, TABLE, "=" and the name of a recipe

const dialog = lazy(async () => new Recipes(await loadDialog("recipes", document.body.dataset.recipesUrl)));

/** what: see open() below, or a promise of it. */
export const openRecipes = (what) => attempt(async () => (await dialog()).open(await showWait(what)), showError);

class Recipes {
  #dialog;
  #url;
  #view;
  #what = { columns: [], pictures: [] };
  #state = { recipes: [], recipe: { roles: [{ role: "", prompt: "" }] } };
  #turn = 0; // what an earlier one waited for is not shown
  #timer = 0;
  #isCounting = false;

  constructor(dialog) {
    this.#dialog = dialog;
    this.#url = dialog.dataset.recipesUrl;
    this.#view = new RecipesView(dialog, {
      choose: (key) => this.#choose(key), chooseRole: (at) => this.#set({ at }), changeRole: (role) => this.#changeRole(role),
      addRole: () => this.#addRole(), removeRole: () => this.#removeRole(), moveRole: (by) => this.#moveRole(by), pick: (asked) => this.#what.pick(asked),
      store: () => this.#store(), apply: () => this.#apply(), importFile: (file) => this.#readSheet(file), revert: () => this.#revert(), remove: () => this.#remove(),
      rename: () => this.#askName({ old: this.#state.recipe.name, name: this.#state.recipe.name }), name: (name) => this.#name(name), unname: () => this.#set({ naming: null, error: "" }),
      goToRow: (row, column) => {
        dialog.close();
        this.#what.goToRow(row, column);
      },
      upload: async () => {
        await this.#what.pick({});
        this.#count();
      },
    });
    dialog.addEventListener("close", () => { this.#turn += 1; });
    dialog.addEventListener("cancel", (event) => {
      if (!this.#state.naming) return;
      event.preventDefault();
      this.#set({ naming: null, error: "" });
    });
  }

  /**
   * what: {columns: names of own columns, cellsOf(name): texts in one, hasReferences, hasPrompts: of the rows, model: of rows that name none, pick({chosen, most}):
   * resolves to images of the library or null}; of a table also {table: id, url: of it, title, recipe: that it has, or null, goToRow(number, own column),
   * isChangedElsewhere(): whether it has another recipe since, applied(answer)}; intro: said above; role: the first one of a new recipe.
   */
  async open(what) {
    if (this.#dialog.open) return;
    const words = this.#dialog.dataset.wordsColumn;
    this.#what = {
      ...what, recipe: what.recipe && normalRecipe(what.recipe), pictures: pictureColumns(what.columns, what.cellsOf), hasPrompts: what.hasPrompts || what.columns.includes(words),
    };
    const known = this.#known(); // else nothing can be typed until the recipes are there
    this.#state = { ...this.#state, isAsking: Boolean(what.table), isApplying: false, isLoading: known === null };
    this.#take(known ?? NEW);
    this.#dialog.showModal();
    const focus = () => this.#view.focus(what.role ? "prompt" : "");
    if (known !== null) focus();
    await this.#try(async () => {
      await this.#load();
      if (known === null) {
        this.#take(this.#first());
        focus();
      }
      this.#count();
    });
  }

  #set(changes) {
    this.#state = { ...this.#state, ...changes };
    const { chosen, recipe } = this.#state;
    const kept = drafts();
    this.#view.show({ ...this.#state, isTyped: (key) => this.#draftKey(key) in kept, isChanged: !isSame(recipe, this.#baseOf(chosen)) }, this.#what);
  }

  /** Run what is shown only while nothing else was asked for; an error stands in the dialog, at its field. */
  #try(work) {
    const turn = ++this.#turn;
    const isCurrent = () => turn === this.#turn && this.#dialog.open;
    return attempt(() => work(isCurrent), (error, { field = "" }) => { if (isCurrent()) this.#set({ error, field, isAsking: false, isApplying: false, isLoading: false }); });
  }

  async #load() {
    const { recipes } = await requestJson("GET", this.#url);
    this.#set({ recipes, isLoading: false });
  }

  /** What is chosen first; null where it is one of the recipes. */
  #known() {
    const { role, recipe, hasPrompts } = this.#what;
    if (recipe && !role) return TABLE;
    return role || hasPrompts ? NEW : null; // around the words of its rows
  }

  #first() {
    const keys = this.#state.recipes.toSorted((one, other) => one.built_in - other.built_in).map(({ name }) => `=${name}`);
    return keys.includes(loadItem(LAST)) ? loadItem(LAST) : keys[0];
  }

  #stored(key) { return this.#state.recipes.find(({ name }) => key === `=${name}`); }
  #isOwn(name) { return this.#state.recipes.some((each) => each.name === name && !each.built_in); }
  #draftKey(key) {
    const { table, role } = this.#what;
    return key === TABLE ? `table:${table}` : key === NEW && role ? `role:${JSON.stringify(role)}` : key;
  }

  /** A recipe without what was typed since. */
  #baseOf(key) {
    const { recipe, role, hasPrompts, pictures } = this.#what;
    if (key === TABLE) return recipe;
    const stored = this.#stored(key);
    if (stored) return normalRecipe(stored.built_in && pictures.length > 0 ? fitted(stored, pictures) : stored);
    const first = { role: _("主图"), prompt: hasPrompts ? `{${this.#dialog.dataset.wordsColumn}}` : "", ...(pictures.length > 0 && { sample_images: [{ column: pictures[0] }] }) };
    return normalRecipe({ roles: [role ?? first] });
  }

  #take(key) {
    this.#set({ chosen: key, recipe: drafts()[this.#draftKey(key)] ?? this.#baseOf(key), at: 0, answer: null, error: "", field: "", naming: null });
  }

  #choose(key) {
    this.#take(key);
    this.#count();
  }

  // What is typed is kept by the browser until it is stored or applied.
  #edit(changes, more = {}) {
    const recipe = { ...this.#state.recipe, ...changes };
    const key = this.#draftKey(this.#state.chosen);
    keepDraft(key, isSame(recipe, this.#baseOf(this.#state.chosen)) ? null : recipe);
    this.#set({ recipe, isAsking: Boolean(this.#what.table), ...more });
    this.#countSoon();
  }

  #changeRole(role) { this.#edit({ roles: this.#state.recipe.roles.with(this.#state.at, role) }); }

  #addRole() {
    const { roles } = this.#state.recipe;
    const { role: _name, prompt: _words, ...like } = roles.at(-1);
    this.#edit({ roles: [...roles, { role: freshName(roles), prompt: "", ...like }] }, { at: roles.length });
    this.#view.focus("role");
  }

  #removeRole() {
    const { recipe: { roles }, at, chosen } = this.#state;
    if (roles.length < 2) return;
    this.#edit({ roles: roles.toSpliced(at, 1) }, { at: Math.min(at, roles.length - 2) });
    this.#view.focus();
    offerUndo(_("已删除角色「{name}」", { name: roles[at].role }), () => {
      if (chosen === this.#state.chosen) this.#edit({ roles: this.#state.recipe.roles.toSpliced(at, 0, roles[at]) }, { at });
    });
  }

  #moveRole(by) {
    const { recipe: { roles }, at } = this.#state;
    const to = at + by;
    if (to >= 0 && to < roles.length) this.#edit({ roles: moved(roles, at, to) }, { at: to });
  }

  #countSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#count(), PAUSE);
  }

  /** What the table would be; the sums before stay until then. One call after the other: a large table takes seconds. */
  async #count() {
    const { table, url } = this.#what;
    const { recipe } = this.#state;
    if (!table || !this.#dialog.open) return;
    const isWritten = recipe.roles.every(({ role, prompt }) => role.trim() && prompt.trim());
    this.#set({ isAsking: isWritten, ...(!isWritten && { answer: null, error: "", field: "" }) });
    if (!isWritten) return void (this.#turn += 1);
    if (this.#isCounting) return this.#countSoon();
    this.#isCounting = true;
    await this.#try(async (isCurrent) => {
      const answer = await requestJson("POST", `${url}/recipe`, { recipe, apply: 0 });
      if (isCurrent()) this.#set({ answer, isAsking: recipe !== this.#state.recipe, error: "", field: "" });
    });
    this.#isCounting = false;
  }

  async #apply() {
    this.#set({ isApplying: true });
    await this.#try(async () => {
      const { recipe, chosen } = this.#state;
      if (await this.#what.isChangedElsewhere()) throw new HttpError(_("这个表格的配方刚在别处改过：关上再打开看一眼，写的还在"));
      const answer = await requestJson("POST", `${this.#what.url}/recipe`, { recipe, apply: 1 });
      keepDraft(this.#draftKey(chosen), null);
      this.#dialog.close();
      await this.#what.applied(answer);
    });
  }

  // Under its name; a new one, and one that came with the program, gets one first.
  #store() {
    const { chosen, recipe: { name } } = this.#state;
    if (chosen !== NEW && this.#isOwn(name)) return this.#put(name);
    return this.#askName({ name: this.#stored(`=${name}`)?.built_in ? _("{name} 自己的", { name }) : name });
  }

  #askName(naming) {
    this.#set({ naming, error: "" });
    this.#view.focusName();
  }

  #name(name) {
    const { old = "" } = this.#state.naming;
    if (name !== old && this.#isOwn(name)) return this.#set({ error: _("已有配方「{name}」，请换一个名字", { name }), field: "name" });
    return this.#put(name, old);
  }

  async #put(name, old = "") {
    await this.#try(async () => {
      const { recipe: { category, roles }, chosen } = this.#state;
      await requestJson("PUT", this.#named(name), { category, roles });
      if (old && old !== name) await requestJson("DELETE", this.#named(old));
      keepDraft(this.#draftKey(chosen), null);
      saveItem(LAST, `=${name}`);
      await this.#load();
      this.#choose(`=${name}`);
      showToast(_("已保存「{name}」", { name }));
    });
  }

  #named(name) { return `${this.#url}/${encodeURIComponent(name)}`; }

  #revert() {
    keepDraft(this.#draftKey(this.#state.chosen), null);
    this.#choose(this.#state.chosen);
  }

  async #remove() {
    const { name, category, roles } = this.#state.recipe;
    await this.#try(async () => {
      await requestJson("DELETE", this.#named(name));
      keepDraft(`=${name}`, null);
      await this.#load();
      this.#choose(this.#known() ?? this.#first());
      this.#view.focus();
      offerUndo(_("已删除配方「{name}」", { name }), async () => {
        await requestJson("PUT", this.#named(name), { category, roles });
        await this.#load();
        this.#choose(`=${name}`);
      });
    });
  }

  /** A sheet with a line a role becomes a new recipe, which is not stored yet. */
  async #readSheet(file) {
    if (!file) return;
    const form = new FormData();
    form.append("file", file);
    await this.#try(async () => {
      const { recipe } = await requestJson("POST", `${this.#url}/import`, form);
      keepDraft(NEW, normalRecipe(recipe));
      this.#choose(NEW);
      this.#view.focus();
    });
  }
}

const drafts = () => loadItem(DRAFTS) ?? {};

function keepDraft(key, recipe) {
  const { [key]: _before, ...others } = drafts();
  const kept = Object.entries(others).slice(recipe ? 1 - MOST_DRAFTS : -MOST_DRAFTS);
  saveItem(DRAFTS, Object.fromEntries(recipe ? [...kept, [key, recipe]] : kept));
}
