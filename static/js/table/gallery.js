// 看图: the rows of the open table as pictures. Its state is below; what is on the screen follows from it in #show().
// Keys: arrows move; 1–9 keep the picture of that number and go to the next row; P keeps, X rejects, U takes that back; Enter shows
// large; Space selects, C compares what is selected, Esc ends that; E changes the words.

import { GalleryGrid } from "./gallery_grid.js";
import { GalleryLarge } from "./gallery_large.js";
import { GROUPS, groupsOf, lookAt, setsOf } from "./gallery_rows.js";
import { roleOf, titleOf } from "./gallery_shots.js";
import { GalleryWords, UNDER_WAY } from "./gallery_words.js";
import { show } from "../core/dom.js";
import { HttpError } from "../core/http.js";
import { _, formatPrice, language } from "../core/i18n.js";
import { isTextInput } from "../core/keyboard.js";
import { loadItem, saveItem } from "../core/storage.js";
import { openCompare } from "../viewer/compare.js";
import { togglePick } from "../viewer/picks.js";
import { lightbox } from "../viewer/lightbox.js";

const SIZE = "gallery.size"; // of the pictures, px, in storage
const IS_NARROW = matchMedia("(width < 720px)").matches;
const [USUAL, USUAL_OF_SETS] = IS_NARROW ? [112, 112] : [132, 172];
const LARGER = [372, 332, 292, 252, 212, 172]; // px; those of a trial are as large as fit
const MOST_COMPARED = 4;
const PICKS = { p: "keep", x: "reject" };
const POINTED_MS = 120; // until a picture that the pointer rests on gets the focus
const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

export class Gallery {
  #holder;
  #table;
  #grid;
  #words;
  #large;
  #isShown = false;
  #group = "all";
  #members = new Set(); // rows that stay in the group until it is chosen again
  #size = loadItem(SIZE); // null until somebody chose one
  #opened = new Set(); // rows with their earlier versions
  #isEarlierShown = false; // of all rows
  #current = ""; // key of a shot, as those that are selected
  #selected = new Set();
  #pointed = ""; // key of the shot under the pointer when that was moved last
  #timer = 0;
  #rejected = []; // rows of which no picture is left, and none is under way
  #seen = new WeakMap(); // what the store shows of a row -> its group
  #picks = new Map(); // those on their way, by record
  #note = "";
  #error = { key: "", text: "" };

  /**
   * holder: of templates/batch/gallery.html. table: rows() -> {all, shown: those that the table shows}; shownOf(row), see store.js; hasSets(), whether products have several rows; isTrial(), whether what was tried waits to be looked at; modelOf(row), the
   * label of its model; priceOfOne(row) in CNY; order({rows, mode}), the order dialog; deliver(records or null), that of 交付; change(row, text), other words; refresh(), which
   * asks the server now; urls: {details(id), record(id)}.
   */
  constructor(holder, table) {
    this.#holder = holder;
    this.#table = table;
    this.#grid = new GalleryGrid(holder, (shot) => this.#marksOf(shot));
    const again = (row) => table.order({ rows: [row], mode: "more" });
    this.#words = new GalleryWords(this.#part("[data-gallery-words]"), { ...table, again, leave: () => this.#focus(this.#current) });
    this.#large = new GalleryLarge(this.#part("[data-gallery-large]"), table.urls, {
      rows: () => this.#rowsOfPictures(),
      pickOf: (picture) => this.#pickOf(picture), choose: (shot, name) => this.#choose(shot, name), again,
      edit: (row) => this.#edit(row), changed: table.refresh, closed: (key) => this.#isShown && this.#focus(key),
    });
    document.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("pick-undone", ({ detail }) => this.#onPickUndone(detail));
    new ResizeObserver(() => this.#show()).observe(this.#part("[data-gallery-scroll]"));
    this.#bindPointer(this.#part("[data-gallery-lines]"));
    this.#bindHead();
  }

  show() {
    this.#isShown = true;
    this.#members = new Set();
    this.#show();
  }

  hide() {
    this.#isShown = false;
    this.#show();
  }

  /** Rows changed, or the table shows others. */
  refresh() {
    this.#show();
    if (!this.#isShown && lightbox.isOpen) this.#grid.groups = this.#collect("all").groups;
    this.#large.refresh();
  }

  /** Show a picture large, also from the table. */
  open(id) {
    if (!this.#isShown) this.#grid.groups = this.#collect("all").groups;
    const shot = this.#grid.groups.flatMap(({ shots }) => shots).find(({ picture }) => picture?.record_id === id);
    if (shot) this.#large.open(shot.key);
  }

  // What is on the screen.

  #part(selector) { return this.#holder.querySelector(selector); }
  #pickOf({ record_id: id, pick = "" }) { return this.#picks.get(id) ?? pick; }
  get #shot() { return this.#grid.shotOf(this.#current); }

  #marksOf({ key, picture }) {
    return {
      pick: picture ? this.#pickOf(picture) : "", isSelected: this.#selected.has(key), isCurrent: key === this.#current,
      error: this.#error.key === key ? this.#error.text : "",
    };
  }

  #collect(group) {
    const [pickOf, { all, shown }] = [(picture) => this.#pickOf(picture), this.#table.rows()];
    const sets = setsOf(all.map((row) => this.#look(row, this.#table.shownOf(row))), pickOf);
    const counts = { ...Object.fromEntries(GROUPS.map((name) => [name, 0])), earlier: 0 };
    const [groups, rejected, incomplete] = [[], [], new Set()];
    for (const row of shown) {
      const seen = this.#look(row, this.#table.shownOf(row));
      seen.set = seen.role ? sets.get(seen.shown.product) : undefined;
      const names = groupsOf(seen, pickOf, seen.set);
      for (const name of names) counts[name] += 1;
      if (names.includes("incomplete")) incomplete.add(seen.set);
      if (names.includes("reject") && !UNDER_WAY.includes(seen.shown.state)) rejected.push(row);
      if (!names.includes(group) && !this.#members.has(row)) continue;
      this.#members.add(row);
      counts.earlier += seen.earlier;
      if (seen.shots.length > 0) groups.push(seen);
    }
    return { groups, rejected, counts: { ...counts, incomplete: incomplete.size } };
  }

  #look(row, shown) {
    const [model, isOpen] = [this.#table.modelOf(row), this.#isEarlierShown || this.#opened.has(row)];
    const role = this.#table.hasSets() ? roleOf(row, shown) : "";
    const seen = this.#seen.get(shown);
    if (seen?.isOpen === isOpen && seen.model === model && seen.role === role) return seen;
    const group = { row, shown, model, isOpen, ...lookAt(row, shown, { model, isOpen, role }) };
    this.#seen.set(shown, group);
    return group;
  }

  /** The pictures of each row, or of all roles of a product, for the large view. */
  #rowsOfPictures() {
    const rows = Map.groupBy(this.#grid.groups, ({ set, row }) => set ?? row);
    return [...rows].map(([of, groups]) => {
      const shots = groups.flatMap((group) => group.shots.filter(hasPicture));
      const inSet = (shot, index) => ({ ...shot, number: index + 1, rowNumber: of.product, rowName: titleOf(shot) });
      return of.product ? shots.map(inSet) : shots;
    }).filter(({ length }) => length > 0);
  }

  #show() {
    this.#holder.hidden = !this.#isShown;
    if (!this.#isShown) return;
    const { groups, rejected, counts } = this.#collect(this.#group);
    const hasSets = groups.some(({ set }) => set);
    const size = this.#size ?? (hasSets ? USUAL_OF_SETS : this.#table.isTrial() ? LARGER.find((each) => this.#grid.fits(groups, each)) ?? USUAL : USUAL);
    this.#holder.classList.toggle("has-sets", hasSets);
    this.#grid.arrange(groups, size, this.#current);
    if (!this.#shot) this.#current = this.#nearCurrent(groups);
    for (const key of this.#selected) if (!this.#grid.shotOf(key)) this.#selected.delete(key);
    this.#grid.draw();
    for (const name of GROUPS) {
      const group = `[data-gallery-group="${name}"]`;
      show(this.#holder, {
        [group]: { ariaPressed: String(name === this.#group), hidden: counts[name] === 0 && name !== "all" && name !== this.#group },
        [`${group} span`]: counts[name].toLocaleString(language),
      });
    }
    const isAll = this.#group === "all";
    this.#rejected = rejected;
    show(this.#holder, {
      "[data-gallery-earlier]": { hidden: counts.earlier === 0, ariaPressed: String(this.#isEarlierShown) },
      "[data-gallery-again]": { hidden: this.#group !== "reject" || rejected.length === 0, textContent: this.#againWords() },
      "[data-gallery-survey]": { hidden: this.#selected.size < 2 },
      "[data-gallery-survey] span": _("并排看 {n} 张", { n: this.#selected.size }),
      "[data-gallery-deliver]": { hidden: counts.keep + this.#selected.size === 0, textContent: this.#selected.size > 0 ? _("交付选中的…") : _("交付留下的…") },
      "[data-gallery-size]": { value: size },
      "[data-gallery-note]": this.#note,
      "[data-gallery-empty]": { hidden: groups.length > 0 },
      "[data-gallery-empty] h2": isAll ? _("这里还没有图片") : _("没有这样的行"),
      "[data-gallery-empty] p": isAll ? _("图片一做好就会出现在这里。") : _("换一组看看，或看全部。"),
    });
    this.#words.show(this.#shot ?? null);
  }

  /** One more picture of each row of which all are rejected, with the price. */
  #againWords() {
    const price = this.#rejected.reduce((sum, row) => sum + this.#table.priceOfOne(row), 0);
    return _("再来 {n} 张 · {sum}", { n: this.#rejected.length, sum: formatPrice(price) });
  }

  /** The key of what is there instead of the current picture: another one of its row, else the first of all. */
  #nearCurrent(groups) {
    const number = Number(this.#current.split(":")[0]);
    return (groups.find(({ row }) => row.number === number) ?? groups[0])?.shots[0].key ?? "";
  }

  #focus(key) {
    if (!this.#grid.shotOf(key)) return;
    this.#current = key;
    this.#grid.reveal(key);
    this.#words.show(this.#shot);
    this.#grid.elementOf(key)?.focus({ preventScroll: true });
  }

  /** What the pointer rests on gets the focus: what stands below is what a key is for. A pointer that only rests takes nothing back from the keys. */
  #point(key) {
    if (key === this.#pointed) return;
    this.#pointed = key;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#isShown || !this.#grid.shotOf(key) || isTextInput(document.activeElement) || document.querySelector("dialog[open]")) return;
      this.#current = key;
      this.#show();
      this.#grid.elementOf(key)?.focus({ preventScroll: true });
    }, POINTED_MS);
  }

  #say(text) {
    this.#note = text;
    show(this.#holder, { "[data-gallery-note]": text });
  }

  // What is done.

  /** Choose a picture, or take the choice back when it has it; shown at once. Rejects with HttpError. */
  async #choose({ picture }, name) {
    const id = picture.record_id;
    const before = this.#pickOf(picture);
    const pick = name === before ? "" : name;
    this.#picks.set(id, pick);
    this.#show();
    try {
      await togglePick({ dataset: { recordId: String(id), ...(before && { pick: before }) } }, name);
      await this.#table.refresh();
    } finally {
      if (this.#picks.get(id) === pick) this.#picks.delete(id);
      this.#show();
    }
  }

  /** The same in the grid: why it failed is said at the picture. */
  async #chooseHere(shot, name) {
    if (!hasPicture(shot)) return;
    this.#error = { key: "", text: "" };
    try {
      await this.#choose(shot, name);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.#error = { key: shot.key, text: error.message };
      this.#show();
    }
  }

  #chooseAndGoOn(shot, name) {
    const isNew = hasPicture(shot) && this.#pickOf(shot.picture) !== name;
    this.#chooseHere(shot, name);
    if (isNew) this.#focus(this.#grid.next("ArrowRight", shot.key));
  }

  #keepOfRow({ row }, number) {
    const { groups } = this.#grid;
    const at = groups.findIndex((group) => group.row === row);
    const shot = groups[at].shots[number - 1];
    if (!shot || !hasPicture(shot)) return this.#say(_("这一行没有第 {n} 张图", { n: number }));
    if (this.#pickOf(shot.picture) !== "keep") this.#chooseHere(shot, "keep");
    return this.#focus((groups[at + 1]?.shots[0] ?? shot).key);
  }

  #select(shot) {
    if (!hasPicture(shot)) return;
    if (!this.#selected.delete(shot.key)) {
      if (this.#selected.size === MOST_COMPARED) return void this.#say(_("最多并排看 {n} 张", { n: MOST_COMPARED }));
      this.#selected.add(shot.key);
    }
    this.#show();
  }

  /** Those that are selected side by side; each can be changed for another of their rows. */
  #survey() {
    const ofRows = this.#grid.groups.filter(({ shots }) => shots.some(({ key }) => this.#selected.has(key)));
    const shots = new Map(ofRows.flatMap((group) => group.shots.filter(hasPicture)).map((shot) => [shot.key, shot]));
    if (this.#selected.size < 2) return void this.#say(_("先用空格选 2 到 {n} 张", { n: MOST_COMPARED }));
    const entries = new Map(ofRows.flatMap((group) => group.shots.filter(hasPicture).map((shot) => [shot.key, this.#large.entryOf(shot, group.shots.length)])));
    return openCompare([...this.#selected].flatMap((key) => entries.get(key) ?? []), {
      records: () => [...entries.values()],
      run: (name, _target, { record }) => {
        const shot = shots.get(record.dataset.shotKey);
        const running = this.#choose(shot, name);
        record.dataset.pick = this.#pickOf(shot.picture);
        return running;
      },
      onClosed: () => this.#focus(this.#current),
    });
  }

  /** The pictures that are selected, else those that the table keeps. */
  #deliver() {
    const records = [...this.#selected].map((key) => this.#grid.shotOf(key).picture.record_id);
    return this.#table.deliver(records.length > 0 ? records : null);
  }

  #edit(row) {
    const shot = this.#shot?.row === row ? this.#shot : this.#grid.groups.find((group) => group.row === row)?.shots[0];
    if (!shot) return;
    this.#focus(shot.key);
    this.#words.edit(shot);
  }

  #enter(shot) {
    if (hasPicture(shot)) this.#large.open(shot.key);
    else this.#grid.elementOf(shot.key)?.querySelector(":is(button, a):not([hidden])")?.click();
  }

  #endSelection() {
    this.#selected.clear();
    this.#show();
  }

  #onKey(event) {
    const { key, target } = event;
    const isElsewhere = target !== document.body && !this.#holder.contains(target);
    if (!this.#isShown || document.querySelector("dialog[open]") || isTextInput(target)) return;
    if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "a") event.preventDefault(); // at most four are selected, and no words
    if (isElsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
    if ((key === "Enter" || key === " ") && target.matches("button, a:not([data-shot])")) return;
    if (this.#note) this.#say("");
    if (this.#runKey(key.length === 1 ? key.toLowerCase() : key, this.#shot)) event.preventDefault();
  }

  #runKey(key, shot) {
    if (MOVES.includes(key)) this.#focus(this.#grid.next(key, this.#current));
    else if (key === "Escape" && this.#selected.size > 0) this.#endSelection();
    else if (key === "c") this.#survey();
    else if (!shot) return false;
    else if (key === "Enter") this.#enter(shot);
    else if (key === " ") this.#select(shot);
    else if (key in PICKS) this.#chooseAndGoOn(shot, PICKS[key]);
    else if (key === "u") this.#chooseHere(shot, shot.picture && this.#pickOf(shot.picture));
    else if (key >= "1" && key <= "9") this.#keepOfRow(shot, Number(key));
    else if (key === "e") this.#edit(shot.row);
    else return false;
    return true;
  }

  /** It is shown again. */
  async #onPickUndone(id) {
    await this.#table.refresh();
    const shot = this.#grid.groups.flatMap(({ shots }) => shots).find(({ picture }) => picture?.record_id === id);
    if (this.#isShown && shot && !lightbox.isOpen) this.#focus(shot.key);
  }

  #bindPointer(list) {
    const shotAt = (target) => this.#grid.shotOf(target.closest("[data-shot-key]")?.dataset.shotKey);
    const tools = this.#part("[data-gallery-tools]");
    list.addEventListener("click", (event) => {
      const shot = shotAt(event.target);
      if (this.#press(event.target, shot, event)) event.preventDefault();
    });
    list.addEventListener("pointerover", ({ target, pointerType }) => {
      const shot = pointerType === "mouse" && shotAt(target);
      if (shot && hasPicture(shot)) target.closest("[data-shot-key]").append(tools);
    });
    list.addEventListener("pointermove", ({ target, pointerType }) => {
      const shot = pointerType === "mouse" && shotAt(target);
      if (shot) this.#point(shot.key);
    });
    list.addEventListener("pointerleave", () => this.#point(""));
    list.addEventListener("focusin", ({ target }) => {
      const shot = shotAt(target);
      if (shot && shot.key !== this.#current) this.#focus(shot.key);
    });
  }

  /** Whether something was done. */
  #press(target, shot, { ctrlKey, metaKey, shiftKey }) {
    if (target.closest("[data-part-earlier]")) this.#toggleEarlier(Number(target.closest("[data-gallery-row]").dataset.galleryRow));
    else if (!shot) return false;
    else if (target.closest("[data-place-order]")) this.#table.order({ rows: [shot.row] });
    else if (target.closest("[data-place-change]")) this.#edit(shot.row);
    else if (target.closest("[data-gallery-pick]")) this.#chooseHere(shot, target.closest("[data-gallery-pick]").dataset.galleryPick);
    else if (!hasPicture(shot) || shiftKey) return false;
    else if (ctrlKey || metaKey) this.#select(shot);
    else this.#large.open(shot.key);
    return true;
  }

  #toggleEarlier(number) {
    const { row } = this.#grid.groups.find((group) => group.row.number === number);
    if (!this.#opened.delete(row)) this.#opened.add(row);
    this.#show();
  }

  #bindHead() {
    this.#holder.addEventListener("click", ({ target }) => {
      const group = target.closest("[data-gallery-group]")?.dataset.galleryGroup;
      if (group) {
        this.#group = group;
        this.#members = new Set();
        this.#part("[data-gallery-scroll]").scrollTop = 0;
        this.#show();
      }
      if (target.closest("[data-gallery-again]")) this.#table.order({ rows: this.#rejected, mode: "more" });
      if (target.closest("[data-gallery-survey]")) this.#survey();
      if (target.closest("[data-gallery-deliver]")) this.#deliver();
      if (target.closest("[data-gallery-earlier]")) {
        this.#isEarlierShown = !this.#isEarlierShown;
        this.#show();
      }
    });
    this.#part("[data-gallery-size]").addEventListener("input", ({ target }) => {
      this.#size = Number(target.value);
      saveItem(SIZE, this.#size);
      this.#show();
    });
  }
}

function hasPicture({ picture }) {
  return Boolean(picture?.url);
}
