// Pictures of the table large: the lightbox walks through them in the order of the rows, also through those that are not drawn.

import { create, reconcileChildren } from "../core/dom.js";
import { cardViewer } from "../records/card_viewer.js";
import { lightbox } from "../viewer/lightbox.js";

const AROUND = 5; // rows in the page on either side of the one that was gone to
const COMMANDS = ["keep", "reject", "delete", "again", "edit", "retouch", "deliver", "link", "records"];

/** A host of <image-lightbox>. */
export class GalleryLarge {
  isOn = cardViewer.isOn;
  #holder;
  #urls;
  #hooks;
  #rows = [];

  /** holder: for the items. hooks: rows() -> lists of shots with a picture; pickOf(picture), choose(shot, name), again(row), edit(row), changed(), closed(key). */
  constructor(holder, urls, hooks) {
    this.#holder = holder;
    this.#urls = urls;
    this.#hooks = hooks;
    lightbox.querySelector("dialog").addEventListener("close", () => {
      if (lightbox.host === this && lightbox.item) hooks.closed(lightbox.item.dataset.shotKey);
    });
  }

  open(key) {
    this.#rows = this.#hooks.rows();
    lightbox.host = this;
    const link = this.#drawAround(key);
    if (link) lightbox.open(link);
  }

  /** Pictures were made or went away; the one that is shown stays until another one is. */
  refresh() {
    if (!lightbox.isOpen || lightbox.host !== this) return;
    this.#rows = this.#hooks.rows();
    if (this.#indexOf(lightbox.item) < 0) return;
    this.#drawAround(lightbox.item.dataset.shotKey);
    for (const item of this.#items) item.dataset.rowPictures = this.#rows.find((row) => row.some(({ key }) => key === item.dataset.shotKey)).length;
    lightbox.showPlace();
  }

  /** The item of a picture, one of `count` of its row. */
  entryOf({ key, row, picture, number, rowNumber = row.number, rowName = null }, count) {
    const { record_id: id, url, thumbnail_url: thumbnail } = picture;
    const pick = this.#hooks.pickOf(picture) || null; // also in the address: the details say who chose
    const data = { shotKey: key, recordId: id, rowNumber, rowName, pictureNumber: number, rowPictures: count, detailsUrl: `${this.#urls.details(id)}?${pick ?? ""}`, pick };
    return create("article", { data }, create("a", { href: url, data: { imageUrl: url } }, create("img", { src: thumbnail, alt: "" })));
  }

  commands() { return COMMANDS; }
  position(item) { return `${this.#indexOf(item) + 1} / ${this.#shots.length}`; }
  hasMore(step) { return this.#beyond(step) in this.#shots; }

  loadAdjacent(step) {
    const target = this.#shots.at(Math.abs(step) === Infinity ? (step > 0 ? -1 : 0) : this.#beyond(step));
    return target ? this.#drawAround(target.key) : null;
  }

  async run(name, item) {
    const shot = this.#shots[this.#indexOf(item)];
    if (!shot) return undefined; // it was deleted while it is shown
    if (name === "keep" || name === "reject") return this.#hooks.choose(shot, name);
    if (name === "records") return location.assign(this.#urls.record(item.dataset.recordId));
    if (name === "edit" || name === "again") {
      lightbox.close();
      return this.#hooks[name](shot.row);
    }
    await cardViewer.run(name, item);
    return this.#hooks.changed();
  }

  get #items() { return [...this.#holder.children]; }
  get #shots() { return this.#rows.flat(); }
  #indexOf({ dataset }) { return this.#shots.findIndex(({ key }) => key === dataset.shotKey); }
  #beyond(step) { return step < 0 ? this.#indexOf(this.#items[0]) - 1 : this.#indexOf(this.#items.at(-1)) + 1; }

  /** Draw the row of this shot and those around it -> its link. */
  #drawAround(key) {
    const at = this.#rows.findIndex((row) => row.some((shot) => shot.key === key));
    const near = this.#rows.slice(Math.max(at - AROUND, 0), at + AROUND + 1);
    reconcileChildren(this.#holder, near.flatMap((row) => row.map((shot) => this.entryOf(shot, row.length))), ({ dataset }) => dataset.shotKey);
    return this.#items.find(({ dataset }) => dataset.shotKey === key)?.querySelector("a");
  }
}
