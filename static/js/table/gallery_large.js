// Pictures of the table large: the lightbox walks through them in the order of the rows, also through those that are not drawn.

import { reconcileChildren } from "../core/dom.js";
import { cardViewer } from "../records/card_viewer.js";
import { lightbox } from "../ui/lightbox.js";

const AROUND = 5; // rows in the page on either side of the one that was gone to
const COMMANDS = ["keep", "reject", "delete", "again", "edit", "link", "records"];

/**
 * holder: for the items of the lightbox. hooks: rows() -> lists of shots with a picture; pickOf(picture), choose(shot, name),
 * again(row), edit(row), changed(), closed(shot); urls: see store.js. Returns {open(key), refresh(), entryOf(shot, pictures of its row)}.
 */
export function bindLarge(holder, urls, hooks) {
  let rows = [];
  const shots = () => rows.flat();
  const find = ({ dataset }) => shots().find(({ key }) => key === dataset.shotKey);
  const items = () => [...holder.children];

  /** Draw the row of this shot and those around it -> its link. */
  function drawAround(key) {
    const at = rows.findIndex((row) => row.some((shot) => shot.key === key));
    const near = rows.slice(Math.max(at - AROUND, 0), at + AROUND + 1);
    reconcileChildren(holder, near.flatMap((row) => row.map((shot) => entryOf(shot, row.length))), ({ dataset }) => dataset.shotKey);
    return items().find(({ dataset }) => dataset.shotKey === key)?.querySelector("a");
  }

  function entryOf({ key, row, picture, number }, count) {
    const entry = document.createElement("article");
    const link = entry.appendChild(document.createElement("a"));
    const { record_id: id, url, thumbnail_url: thumbnail } = picture;
    Object.assign(entry.dataset, { shotKey: key, recordId: id, rowNumber: row.number, pictureNumber: number, rowPictures: count, detailsUrl: urls.details(id) });
    const pick = hooks.pickOf(picture);
    if (pick) entry.dataset.pick = pick;
    link.href = url;
    link.dataset.imageUrl = url;
    link.append(Object.assign(new Image(), { src: thumbnail, alt: "" }));
    return entry;
  }

  const indexOf = (item) => shots().findIndex(({ key }) => key === item.dataset.shotKey);
  const beyond = (step) => (step < 0 ? indexOf(items()[0]) - 1 : indexOf(items().at(-1)) + 1);
  const host = {
    ...cardViewer,
    commands: () => COMMANDS,
    position: (item) => `${indexOf(item) + 1} / ${shots().length}`,
    hasMore: (step) => beyond(step) in shots(),
    loadAdjacent(step) {
      const target = shots().at(Math.abs(step) === Infinity ? (step > 0 ? -1 : 0) : beyond(step));
      return target ? drawAround(target.key) : null;
    },
    async run(name, item) {
      const shot = find(item);
      if (name === "keep" || name === "reject") return hooks.choose(shot, name);
      if (name === "records") return location.assign(urls.record(item.dataset.recordId));
      if (name === "edit" || name === "again") {
        lightbox.close();
        return hooks[name](shot.row);
      }
      await cardViewer.run(name, item);
      return hooks.changed();
    },
  };

  lightbox.querySelector("dialog").addEventListener("close", () => {
    if (lightbox.host === host && lightbox.item) hooks.closed(lightbox.item.dataset.shotKey);
  });

  return {
    entryOf,
    open(key) {
      rows = hooks.rows();
      lightbox.host = host;
      const link = drawAround(key);
      if (link) lightbox.open(link);
    },
    /** Pictures were made or went away. */
    refresh() {
      if (!lightbox.isOpen || lightbox.host !== host) return;
      rows = hooks.rows();
      if (indexOf(lightbox.item) < 0) return; // it stays until another one is shown
      drawAround(lightbox.item.dataset.shotKey);
      for (const item of items()) item.dataset.rowPictures = rows.find((row) => row.some(({ key }) => key === item.dataset.shotKey)).length;
      lightbox.showPlace();
    },
  };
}
