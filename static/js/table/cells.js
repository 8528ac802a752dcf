// Cells that are not text: number and checkbox, reference images, state and pictures, actions.

import { apply, create, show } from "../core/dom.js";
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
  update(cell, "number", `${number} ${isPicked}`, () => {
    apply(cell.content, { textContent: String(number) });
    show(cell.element, { "[data-select]": { ariaLabel: _("选择第 {number} 行", { number }), checked: isPicked } });
  });
  cell.element.querySelector("[data-select]").checked = isPicked; // a press changes it too
}

function renderReferences(cell, { number, sample_images: images }, readOnly) {
  const count = images.length;
  update(cell, "count", `${number} ${count} ${readOnly}`, () => apply(cell.content, {
    textContent: _("选择 ({count})", { count }), ariaLabel: _("选择 ({n})，第 {number} 行的参考图", { n: count, number }),
    hidden: readOnly && count === 0, classes: { "has-some": count > 0 },
  }));
  update(cell, "thumbnails", images.map(thumbnailUrl).join(" "), () => {
    const thumbnails = images.filter(({ url }) => url).slice(0, MAX_THUMBNAILS);
    cell.element.querySelector("[data-reference-thumbs]").replaceChildren(...thumbnails.map((image) => (
      create("img", { loading: "lazy", src: thumbnailUrl(image), alt: "", title: image.filename }))));
  });
}

const thumbnailUrl = ({ thumbnail_url: thumbnail, url }) => thumbnail || url?.replace(/^\/samples\/files\//, "/samples/thumbnails/") || "";

function renderStatus(cell, state) {
  const { label = "", tone = "", status = "", title = "", pictures = [], href = "", sameAs = "", isGone = false } = state;
  update(cell, "label", `${label} ${href} ${sameAs}`, () => cell.content.replaceChildren(createLabel({ label, href, sameAs })));
  update(cell, "state", [tone, title, status, isGone].join("\0"), () => {
    apply(cell.content, { title, data: { tone } });
    apply(cell.element, { data: { status } });
    apply(cell.element.parentElement, { classes: { "has-failed": ["failed", "refused"].includes(status), "is-gone": isGone } });
  });
  update(cell, "pictures", pictures.map(({ id, said }) => id + said).join(), () => {
    cell.element.querySelector("[data-pictures]").replaceChildren(...pictures.slice(0, MAX_THUMBNAILS).map(createPictureLink));
  });
}

// Words, a link, or a button that leads to an equal row.
function createLabel({ label, href, sameAs }) {
  if (!href && !sameAs) return label;
  const look = { className: "table-state-link", tabIndex: -1, textContent: label };
  return href ? create("a", { ...look, href }) : create("button", { ...look, type: "button", data: { goToRow: sameAs } });
}

function createPictureLink({ id, url, thumbnail, alt, said = null }) {
  const link = { className: "table-picture", href: url, tabIndex: -1, ariaLabel: _("查看大图：{alt}", { alt: alt.slice(0, 60) }), data: { picture: id, said } };
  return create("a", link, create("img", { src: thumbnail, alt: "", decoding: "async" }));
}

function renderActions(cell, { number }, action) {
  update(cell, "action", `${number} ${action}`, () => show(cell.element, {
    "[data-run-row]": { hidden: !action, textContent: action, ariaLabel: _("{word}第 {number} 行", { word: action || _("生成"), number }) },
    "[data-row-menu]": { ariaLabel: _("第 {number} 行的更多操作", { number }) },
  }));
}
