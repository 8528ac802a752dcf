// Cells that are not text: number and checkbox, reference images, state and pictures, actions.

import { _ } from "../core/i18n.js";
import { update } from "../grid/cells.js";

const MAX_THUMBNAILS = 3;

/** Give the columns their render(cell, row). table() -> the table; stateOf(row) -> as in states.js. */
export function addRenderers(columns, { table, stateOf }) {
  const renderers = {
    number: (cell, row) => renderNumber(cell, row, table().selection.picked.has(row)),
    references: (cell, row) => renderReferences(cell, row, !table().canEdit(row)),
    status: (cell, row) => renderStatus(cell, stateOf(row)),
    actions: (cell, row) => renderActions(cell, row, stateOf(row).action),
  };
  return columns.map((column) => ({ ...column, render: renderers[column.kind] }));
}

function renderNumber(cell, { number }, isPicked) {
  const checkbox = cell.element.querySelector("[data-select]");
  update(cell, "number", number, () => {
    cell.content.textContent = String(number);
    checkbox.setAttribute("aria-label", _("选择第 {number} 行", { number }));
  });
  checkbox.checked = isPicked;
}

function renderReferences(cell, { number, sample_images: images }, readOnly) {
  const count = images.length;
  update(cell, "count", count, () => {
    cell.content.textContent = _("选择 ({count})", { count });
    cell.content.classList.toggle("has-some", count > 0);
  });
  update(cell, "name", `${number} ${count}`, () => {
    cell.content.setAttribute("aria-label", _("选择 ({n})，第 {number} 行的参考图", { n: count, number }));
  });
  update(cell, "hidden", readOnly && count === 0, (isHidden) => { cell.content.hidden = isHidden; });
  update(cell, "thumbnails", images.map(thumbnailUrl).join(" "), () => {
    const thumbnails = images.filter(({ url }) => url).slice(0, MAX_THUMBNAILS).map(createThumbnail);
    cell.element.querySelector("[data-reference-thumbs]").replaceChildren(...thumbnails);
  });
}

const thumbnailUrl = ({ thumbnail_url: thumbnail, url }) => thumbnail || url?.replace(/^\/samples\/files\//, "/samples/thumbnails/") || "";

function createThumbnail(reference) {
  const image = new Image();
  image.loading = "lazy";
  image.src = thumbnailUrl(reference);
  image.alt = "";
  image.title = reference.filename;
  return image;
}

function renderStatus(cell, state) {
  const { label = "", tone = "", status = "", title = "", pictures = [], href = "", sameAs = "", isGone = false } = state;
  update(cell, "label", `${label} ${href} ${sameAs}`, () => cell.content.replaceChildren(createLabel({ label, href, sameAs })));
  update(cell, "tone", tone, () => { cell.content.dataset.tone = tone; });
  update(cell, "status", status, () => {
    cell.element.dataset.status = status;
    cell.element.parentElement.classList.toggle("has-failed", ["failed", "refused"].includes(status));
  });
  update(cell, "gone", isGone, () => cell.element.parentElement.classList.toggle("is-gone", isGone));
  update(cell, "hint", title, () => { cell.content.title = title; });
  update(cell, "pictures", pictures.map(({ id }) => id).join(), () => {
    cell.element.querySelector("[data-pictures]").replaceChildren(...pictures.slice(0, MAX_THUMBNAILS).map(createPictureLink));
  });
}

// Words, a link, or a button that leads to an equal row.
function createLabel({ label, href, sameAs }) {
  if (!href && !sameAs) return label;
  const element = document.createElement(href ? "a" : "button");
  element.className = "table-state-link";
  if (href) element.href = href;
  else Object.assign(element, { type: "button" }).dataset.goToRow = String(sameAs);
  element.tabIndex = -1;
  element.textContent = label;
  return element;
}

function createPictureLink({ id, url, thumbnail, alt }) {
  const link = document.createElement("a");
  link.className = "table-picture";
  link.href = url;
  link.tabIndex = -1;
  link.dataset.picture = String(id);
  link.setAttribute("aria-label", _("查看大图：{alt}", { alt: alt.slice(0, 60) }));
  const image = new Image();
  image.src = thumbnail;
  image.alt = "";
  image.decoding = "async";
  link.append(image);
  return link;
}

function renderActions(cell, { number }, action) {
  const [run, menu] = cell.element.children;
  update(cell, "action", action, () => {
    run.hidden = !action;
    run.textContent = action;
  });
  update(cell, "row", `${number} ${action}`, () => {
    run.setAttribute("aria-label", _("{word}第 {number} 行", { word: action || _("生成"), number }));
    menu.setAttribute("aria-label", _("第 {number} 行的更多操作", { number }));
  });
}
