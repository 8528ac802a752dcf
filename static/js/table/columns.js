// The columns of a batch, as app/web/batch_columns.py describes them, with what their cells accept. The tolerances are
// the server's (app/domain/validation.py): 16：9, 16x9, 2k, full-width digits, 3.0.

import { model, refusalOf, wordOf } from "./models.js";
import { fieldOfOwn } from "./own_columns.js";
import { _ } from "../core/i18n.js";
import { isTaken, ownSize, spellSize } from "../core/sizes.js";
import { choiceColumn, integerColumn, normalise, parseInteger, textColumn, trimText } from "../grid/columns.js";

// What speaks of what a picture must not show is never the prompt.
const NEGATION = /[负負反逆]|否定|不(?!超|限|填|必|能为空|可为空)|避免|排除|禁|neg|avoid|exclu|without|\bno\b|[-−–]\P{L}*$/u;
const NEGATIVE_REMARK = /[([【「]\s*(负面|负向|反向|negative)\s*(提示词|词|prompt)?\s*[)\]】」]?$/u;
const FILLER = /必填项?|选填项?|可选项?|required|optional/gu;

/** described: {name, label, kind, headers, …} of each column. */
export function makeColumns(described) {
  const columns = described.map(makeColumn);
  const optionsOf = (name) => columns.find((column) => column.name === name).options;
  const [ratios, resolutions] = [optionsOf("aspect_ratio"), optionsOf("resolution")];

  function makeColumn(column) {
    if (column.name === "model") return modelColumn(column);
    if (column.like) return optionColumn(column);
    if (column.kind === "text") return textColumn(column);
    if (column.kind === "integer") return withUse(column.name === "seed" ? seedColumn(column) : integerColumn(column));
    if (column.name === "aspect_ratio") {
      const ofModel = (row) => column.options.filter((ratio) => model.of(row).ratios.includes(ratio));
      return { ...choiceColumn(column, { spell: spellRatio, accepts: ownSize, check: ratioProblem }), offered: ofModel, placeholderOf: besideOwn("resolution") };
    }
    if (column.name === "resolution") {
      return { ...choiceColumn(column, { spell: spellResolution, accepts: ownSize, check: sizeProblem }), placeholderOf: besideOwn("aspect_ratio") };
    }
    return column.kind === "references" ? referencesColumn(column) : column;
  }

  function spellRatio(text) {
    const ratio = text.replace(/\s*[:∶xX×*/比]\s*/g, ":");
    return ratios.includes(ratio) ? ratio : spelled(text, ratio);
  }

  function ratioProblem(ratio, row) {
    const { label, ratios: offered } = model.of(row);
    if (offered.includes(ratio)) return ""; // most are: looking for an own size takes time
    return ownSize(ratio) ? ownProblem(ratio, row) : _("{label} 没有 {ratio} 这个比例，可选：{offered}", { label, ratio, offered: offered.join(_("、")) });
  }

  function sizeProblem(resolution, row) {
    const ratio = row.aspect_ratio || "1:1";
    const { label, prices, ratios: ofModel } = model.of(row);
    if (`${ratio}|${resolution}` in prices) return "";
    if (ownSize(resolution)) return ownProblem(resolution, row);
    if (!ofModel.includes(ratio)) return "";
    const offered = resolutions.filter((one) => `${ratio}|${one}` in prices);
    return _("{label} 没有 {ratio} 的 {resolution}，可选：{offered}", { label, ratio, resolution, offered: offered.join(_("、")) });
  }

  return columns;
}

const besideOwn = (field) => (row) => (ownSize(row[field]) ? _("自定") : undefined);
const spelled = (text, otherwise) => (ownSize(text) ? spellSize(ownSize(text)) : otherwise);
const spellResolution = (text) => spelled(text, text.toUpperCase());

// Whether a model without a rule has just this size is for the server to say, and what a ratio beside it says.
function ownProblem(size, row) {
  const { label, own_sizes: rule } = model.of(row);
  return !rule || isTaken(ownSize(size), rule) ? "" : _("{label} 做不了 {size}：{rule}", { label, size, rule: rule.rule });
}

// Columns that not every model takes can be hidden.
function withUse(column) {
  return column.name === "num_images" ? column : { ...refusable(column), isOptional: true };
}

// What the model of a row does not take is neither edited nor checked.
function refusable(column) {
  const refuses = (row) => refusalOf(column, row);
  return { ...column, refuses, check: (value, row) => (refuses(row) ? "" : column.check(value, row)) };
}

// Cells hold the label of a model.
function modelColumn(column) {
  return choiceColumn(column, { spell: (text) => wordOf("model", text) });
}

function optionColumn(column) {
  if (column.kind === "integer") return refusable(integerColumn(column));
  const offeredBy = (row) => model.of(row).choices[column.name]?.map((value) => column.words[value]) ?? column.options;
  const check = (word, row) => {
    const offered = offeredBy(row);
    if (word === column.placeholder || offered.includes(word)) return "";
    return _("{label} 没有「{value}」，可选：{offered}", { label: model.of(row).label, value: word, offered: offered.join(_("、")) });
  };
  return refusable(choiceColumn(column, { spell: (text) => wordOf(column.name, text), check }));
}

// -1 is what other programs write for a random seed.
function seedColumn(column) {
  const { read, ...others } = integerColumn(column);
  return { ...others, read: (text) => (parseInteger(text) === -1 ? "" : read(text)) };
}

// A reference is {url, filename, thumbnail_url?}; one that is named but not found yet has url "" and a match. One with a
// variable in its name is found by the server, for each check anew.
function referencesColumn(column) {
  return {
    ...column, field: column.name, empty: [],
    read: parseNames,
    format: (value) => value.map(({ filename }) => filename).join(_("；")),
    check: (value, row) => referenceProblem(value, model.of(row)),
  };
}

function referenceProblem(images, { local_reference_problem: refusal, max_references: most }) {
  if (refusal && images.some(({ url }) => !/^https?:/.test(url))) return refusal;
  if (images.length > most) return _("参考图有 {n} 张，最多 {most} 张", { n: images.length, most });
  const missing = images.find(({ url, match }) => !url && match !== "variable");
  if (!missing) return "";
  const { filename, match, error } = missing;
  if (match === "ambiguous") return _("有几张示例图都叫「{filename}」，请选择其中一张", { filename });
  if (error) return _("查不了示例图「{filename}」：{trouble}", { filename, trouble: error });
  if (match === "unchecked") return filename.includes("{") ? "" : _("正在查找示例图「{filename}」…", { filename }); // the server knows variables
  return _("没有找到示例图「{filename}」，请重新选择或先上传", { filename });
}

/** Names as a cell holds them -> references to look up: split by comma, semicolon (either width) or line break; by 、 once
    it is known that no image of the library has one in its name. */
export function parseNames(text) {
  return text.split(/[,，;；\n]/).map(trimText).filter(Boolean).map(unchecked);
}

export function unchecked(filename) {
  return { url: "", filename, match: "unchecked" };
}

/** Whether a row names references that were not looked up yet. */
export function hasUnchecked(row) {
  return row.sample_images.some(({ match }) => match === "unchecked");
}

/** The fields that the model of a row does not take. */
export function refusedFields(columns, row) {
  return columns.filter(({ refuses }) => refuses?.(row)).map(({ field }) => field);
}

/** `*提示词（必填）`, `Prompt / 提示词`, `【比例】`, or the name of an own column -> the column; undefined for what is none. */
export function columnOfHeader(columns, cell) {
  return knownColumn(columns, cell) ?? columns.find(({ name }) => name === fieldOfOwn(trimText(cell)));
}

function knownColumn(columns, cell) {
  const text = normalise(cell.slice(0, 200)).toLowerCase();
  const bare = text.replace(/^[([【「](.*?)[)\]】」]/su, "$1 ").replace(/[([【「].*$/su, "").replace(FILLER, "");
  const names = [bare.match(/[a-z]+/gu), bare.match(/[^a-z\P{L}]+/gu)].filter(Boolean).map((letters) => letters.join(""));
  const [column, ...others] = new Set(names.map((name) => columns.find(({ headers }) => headers?.includes(name))));
  if (others.length > 0) return undefined;
  if (column?.name !== "prompt" || !NEGATION.test(text)) return column;
  return NEGATIVE_REMARK.test(text) ? columns.find(({ name }) => name === "negative_prompt") : undefined;
}
