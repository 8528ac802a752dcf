// The large view of 生成记录: beyond the ends of the page, with all commands. A host of <image-lightbox>.

import { targetOf } from "./actions.js";
import { syncAddress, urlWith } from "./address.js";
import { cardViewer } from "./card_viewer.js";
import { openCompare } from "../viewer/compare.js";
import { jsonOf } from "../core/dom.js";
import { requestJson } from "../core/http.js";
import { _, language } from "../core/i18n.js";
import { lightbox } from "../viewer/lightbox.js";
import { itemOf } from "../viewer/pictures.js";

const MAX_PAGES = 10; // without an image, until there are said to be no more
const MAX_NEIGHBOURS = 20; // the same for records that the list does not have
const PREFETCH_DELAY_MS = 250;
const TRASH_COMMANDS = ["restore", "select", "link"];
const REMOVING = ["delete", "restore"];

export class RecordsViewer {
  #page;
  #search;
  #selection;
  #runCommand;
  #syncAddress;
  #prefetchTimer = 0;

  /** runCommand(name, target, {record}) runs one and updates the page. */
  constructor(page, search, selection, runCommand) {
    this.#page = page;
    this.#search = search;
    this.#selection = selection;
    this.#runCommand = runCommand;
    this.#syncAddress = syncAddress(lightbox, () => Boolean(this.#list.querySelector("[data-permalink]")));
    lightbox.host = this;
  }

  open(link) {
    lightbox.open(link);
  }

  /** The list was rendered: show the record of this id, or none (null) of it, anew. */
  refresh(id) {
    const link = id && this.#linkOf(id);
    if (link && lightbox.isOpen) lightbox.present(link);
  }

  /** Compare two records of the list. */
  compare(left, right, onClosed) {
    const records = () => this.#links().map(itemOf);
    openCompare([left, right], { records, run: this.#runCommand, onClosed });
  }

  commands(record) {
    if ("trash" in this.#list.dataset || record.querySelector('[data-command="restore"]')) return TRASH_COMMANDS;
    const compare = this.#links().length > 1 ? ["compare"] : [];
    return [...cardViewer.commands(record), "select", ...compare];
  }

  isOn(name, record) {
    return name === "select" ? this.#selection.has(Number(record.dataset.recordId)) : cardViewer.isOn(name, record);
  }

  async run(name, record) {
    if (name === "select") return this.#selection.toggle(Number(record.dataset.recordId));
    if (name === "compare") return this.#compareFrom(record);
    if (name === "retouch") return cardViewer.run(name, record);
    if (REMOVING.includes(name)) return this.#removeAndAdvance(name, record);
    return this.#runCommand(name, targetOf(record), { record });
  }

  position(record) {
    const at = [...this.#list.querySelectorAll("[data-records] [data-record-id]")].indexOf(record);
    if (at < 0) return _("记录 {id}", { id: record.dataset.recordId });
    return `${(this.#number("offset") + at + 1).toLocaleString(language)} / ${this.#number("total").toLocaleString(language)}`;
  }

  hasMore(step, record) {
    if (isPermalink(record)) return Math.abs(step) === 1;
    return step < 0 ? this.#number("page") > 1 : this.#number("page") < this.#number("pages");
  }

  loadAdjacent(step, record) {
    return isPermalink(record) ? this.#loadNeighbour(step, record) : this.#loadAdjacentPage(step, record);
  }

  shown(record) {
    clearTimeout(this.#prefetchTimer);
    if (record) this.#prefetchTimer = setTimeout(() => this.#prefetchNeighbours(record), PREFETCH_DELAY_MS);
    this.#syncAddress(record);
  }

  /** The record leaves the list; the one that takes its place is shown. */
  async #removeAndAdvance(name, record) {
    if (record.dataset.busy) return; // pressed twice
    const at = this.#indexOf(record);
    record.dataset.busy = "yes";
    await this.#runCommand(name, targetOf(record), { record }).finally(() => delete record.dataset.busy);
    if (lightbox.isOpen) this.#presentAt(at);
  }

  /** Show the image at this index, or the last one, or close without any. */
  #presentAt(at) {
    const links = this.#links();
    const link = at < 0 ? null : (links[at] ?? links.at(-1));
    if (link) lightbox.present(link);
    else lightbox.close();
  }

  async #loadAdjacentPage(step, record) {
    for (let turned = 0; turned < MAX_PAGES && this.hasMore(step, record); turned += 1) {
      const page = { 1: this.#number("page") + 1, [-1]: this.#number("page") - 1, Infinity: this.#number("pages") }[step] ?? 1;
      if (!await this.#navigate({ page, record: "" })) return this.#search.failIfUnanswered();
      const link = this.#links().at(step === -1 || step === Infinity ? -1 : 0);
      if (link) return link;
    }
    return null;
  }

  /** From a record that the list does not have to the next one with an image, in the order of the list. */
  async #loadNeighbour(step, { dataset: { recordId } }) {
    let id = recordId;
    for (let tried = 0; tried < MAX_NEIGHBOURS; tried += 1) {
      const { next, previous } = await this.#fetchNeighbours(id);
      const record = step > 0 ? next : previous;
      if (!record) return null;
      id = record.id;
      if (record.status !== "success" || !record.url) continue;
      if (!await this.#navigate({ record: id })) return this.#search.failIfUnanswered();
      return this.#linkOf(id) ?? this.#list.querySelector("[data-permalink] [data-image-url]");
    }
    return null;
  }

  #navigate(changes) {
    return this.#search.navigate({ url: urlWith(changes).href, history: "replace" });
  }

  #fetchNeighbours(id) {
    const query = new URLSearchParams(jsonOf(this.#list, "filter") ?? {});
    return requestJson("GET", `${this.#page.dataset.listUrl}/${id}/neighbours?${query}`);
  }

  /** At the ends of the page the images beyond are loaded early. */
  async #prefetchNeighbours(record) {
    const at = this.#indexOf(record);
    if (at > 0 && at < this.#links().length - 1) return;
    const { next, previous } = await this.#fetchNeighbours(record.dataset.recordId).catch(() => ({}));
    for (const { url } of [next, previous].filter(Boolean)) if (url) new Image().src = url;
  }

  #compareFrom(record) {
    const records = this.#links().map(itemOf);
    const at = records.indexOf(record);
    const { recordId, pick } = record.dataset;
    this.compare(record, records[at + 1] ?? records[at - 1] ?? records[0], () => {
      if (!record.isConnected || record.dataset.pick !== pick) this.refresh(recordId);
    });
  }

  get #list() {
    return this.#search.list();
  }

  #number(name) {
    return Number(this.#list.dataset[name]);
  }

  #links() {
    return [...this.#list.querySelectorAll("[data-records] [data-image-url]")];
  }

  #linkOf(id) {
    return this.#list.querySelector(`[data-record-id="${id}"] [data-image-url]`);
  }

  #indexOf(record) {
    return this.#links().findIndex((link) => record.contains(link));
  }
}

function isPermalink(record) {
  return record.matches("[data-permalink]");
}
