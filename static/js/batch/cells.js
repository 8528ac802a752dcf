// What the cells show that are not text: number and checkbox, reference images, state and pictures, actions.

import { _ } from "../core/i18n.js";

const SHOWN_PICTURES = 3;

// stateOf(row) -> null or {word, tone, title, pictures: [{id, url, thumbnail, alt, width, height}], action}
export function makeCellDrawer(stateOf) {
  const draw = {
    number: drawNumber,
    references: drawReferences,
    status: (row, cell) => drawState(cell, stateOf(row)),
    actions: (row, cell, table) => drawActions(row, cell, stateOf(row), table),
  };
  return (table) => (column, row, cell) => draw[column.kind]?.(row, cell, table);
}

function drawNumber(row, cell, table) {
  change(cell, "number", row.number, (number) => {
    cell.content.textContent = String(number);
    const box = cell.element.querySelector("[data-select]");
    box.setAttribute("aria-label", _("选择第 {number} 行", { number }));
  });
  cell.element.querySelector("[data-select]").checked = table.selection.picked.has(row);
}

function drawReferences(row, cell, table) {
  const images = row.sample_images;
  change(cell, "count", images.length, (count) => {
    cell.content.textContent = _("选择 ({count})", { count });
    cell.content.classList.toggle("has-some", count > 0);
  });
  change(cell, "name", `${row.number} ${images.length}`, () => cell.content.setAttribute("aria-label", _("选择 ({n})，第 {number} 行的参考图", { n: images.length, number: row.number })));
  change(cell, "idle", table.readOnly && images.length === 0, (idle) => { cell.content.hidden = idle; });
  change(cell, "thumbs", images.map(({ thumbnail_url: small, url }) => small || url || "").join(" "), () => {
    const thumbs = images.filter(({ url }) => url).slice(0, SHOWN_PICTURES).map(({ thumbnail_url: small, url, filename }) => {
      const picture = document.createElement("img");
      picture.src = small || url;
      picture.alt = "";
      picture.title = filename;
      picture.loading = "lazy";
      return picture;
    });
    cell.element.querySelector("[data-reference-thumbs]").replaceChildren(...thumbs);
  });
}

function drawState(cell, state) {
  change(cell, "word", state?.word ?? "", (word) => { cell.content.textContent = word; });
  change(cell, "tone", state?.tone ?? "", (tone) => { cell.content.dataset.tone = tone; });
  change(cell, "state", state?.status ?? "", (status) => { cell.element.dataset.status = status; });
  change(cell, "hint", state?.title ?? "", (title) => { cell.content.title = title; });
  const pictures = state?.pictures ?? [];
  change(cell, "pictures", pictures.map(({ id }) => id).join(), () => {
    cell.element.querySelector("[data-pictures]").replaceChildren(...pictures.slice(0, SHOWN_PICTURES).map(makePicture));
  });
}

function makePicture({ id, url, thumbnail, alt }) {
  const link = document.createElement("a");
  link.className = "table-picture";
  link.href = url;
  link.tabIndex = -1;
  link.dataset.picture = String(id);
  link.setAttribute("aria-label", _("查看大图：{alt}", { alt: alt.slice(0, 60) }));
  const picture = document.createElement("img");
  picture.src = thumbnail;
  picture.alt = "";
  picture.decoding = "async";
  link.append(picture);
  return link;
}

function drawActions(row, cell, state, table) {
  const word = state?.action ?? (table.readOnly ? "" : _("生成"));
  const [run, menu] = cell.element.children;
  change(cell, "action", word, () => {
    run.hidden = !word;
    run.textContent = word;
  });
  change(cell, "row", `${row.number} ${word}`, () => {
    run.setAttribute("aria-label", _("{word}第 {number} 行", { word: word || _("生成"), number: row.number }));
    menu.setAttribute("aria-label", _("第 {number} 行的更多操作", { number: row.number }));
  });
}

function change(cell, what, value, then) {
  if (cell.seen[`own ${what}`] === value) return;
  cell.seen[`own ${what}`] = value;
  then(value);
}
