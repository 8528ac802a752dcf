// What each column of the batch table holds: how typed text becomes a value, and what is wrong with one.
// The tolerances are the server's (domain.py): 16：9, 16x9, 2k, full-width digits, 3.0. What is not
// understood is kept as it was typed and complained of.

import { _ } from "../core/i18n.js";

const RATIOS = ["1:1", "2:3", "3:2", "3:4", "4:3", "16:9", "9:16"];
const RESOLUTIONS = ["1K", "2K", "4K"];
// What nobody sees and copying brings along, as fields.py has it.
const UNSEEN = "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb";
const EACH_UNSEEN = new RegExp(`[${UNSEEN}]`, "g");
const AT_EDGE = new RegExp(`[\\s${UNSEEN}]`);
export const MOST_PICTURES = 10;
const MOST_REFERENCES = 4;

// card: {label, prices: {"16:9|2K": CNY of a picture or null}, max_references, local_reference_problem, takes_seed, takes_steps, notes, content_fields}
export function makeColumns(card) {
  return [
    { name: "number", label: _("序号"), kind: "number" },
    text("prompt", _("提示词"), 10000, { required: true, multiline: true }),
    text("negative_prompt", _("负面提示词"), 10000, { multiline: true }),
    choice("aspect_ratio", _("图片比例"), RATIOS, "1:1", readRatio),
    choice("resolution", _("分辨率"), RESOLUTIONS, "2K", readResolution, (value, row) => sizeProblem(card, row, value)),
    references(card),
    whole("num_images", _("生成数量"), 1, MOST_PICTURES, "1", { options: numbers(MOST_PICTURES) }),
    text("filename", _("文件名"), 200),
    taken(card.takes_seed, whole("seed", _("种子"), 0, 4294967293, "", { placeholder: _("随机") })),
    taken(card.takes_steps, whole("steps", _("步数"), 1, 150, "", { placeholder: _("默认") })),
    { name: "status", label: _("状态"), kind: "status" },
    { name: "actions", label: _("操作"), kind: "actions" },
  ];
}

// What the model does not take stands there all the same: a value brought in is kept for another model, never checked or sent.
function taken(takes, column) {
  return takes ? column : { ...column, kind: "unused", placeholder: "—", options: null, check: () => "" };
}

/** The fields that the model does not take. */
export function unusedFields(columns) {
  return columns.filter(({ kind }) => kind === "unused").map(({ field }) => field);
}

export function parseInteger(value) {
  const found = /^[+-]?(\d{1,12})(\.0+)?$/.exec(normalise(value));
  return found ? Number.parseInt(normalise(value), 10) : null;
}

// Names as a cell holds them -> references to look up: split by comma, semicolon (either width) or line break; by 、 once it is known
// that no image of the library has one in its name.
export function parseNames(text) {
  return text.split(/[,，;；\n]/).map(trimmed).filter(Boolean).map((filename) => ({ url: "", filename, match: "unchecked" }));
}

function text(name, label, limit, { required = false, multiline = false } = {}) {
  return {
    name, label, kind: "text", field: name, multiline, empty: "",
    read: (typed) => trimmed(typed.replaceAll("\r\n", "\n")),
    format: (value) => value,
    check(value) {
      if (required && !value) return _("请填写{label}", { label });
      return value.length > limit ? _("{label}有 {n} 字，最多 {limit} 字", { label, n: value.length, limit }) : "";
    },
  };
}

function choice(name, label, options, fallback, read, also = () => "") {
  return {
    name, label, kind: "choice", field: name, options, placeholder: fallback, empty: "", read,
    format: (value) => value,
    check(value, row) {
      if (value && !options.includes(value)) return _("不支持的{label}「{value}」，可选：{options}", { label, value, options: options.join(_("、")) });
      return also(value || fallback, row);
    },
  };
}

function whole(name, label, low, high, fallback, { options, placeholder = fallback } = {}) {
  return {
    name, label, kind: options ? "choice" : "text", field: name, options, placeholder, empty: "",
    format: (value) => value,
    read(typed) {
      const number = parseInteger(typed);
      if (name === "seed" && number === -1) return "";
      return number === null ? typed.trim() : String(number);
    },
    check(value) {
      const number = parseInteger(value);
      const fine = value === "" || (number !== null && number >= low && number <= high);
      return fine ? "" : _("{label}应为 {low}–{high} 的整数，现在是「{value}」", { label, low, high, value });
    },
  };
}

// A reference is {url, filename, thumbnail_url?}; one named but not found yet has url "" and a match.
function references(card) {
  return {
    name: "sample_images", label: _("参考示例图"), kind: "references", field: "sample_images", empty: [],
    read: parseNames,
    format: (value) => value.map(({ filename }) => filename).join(_("；")),
    check: (value) => referenceProblem(card, value),
    refusal: card.local_reference_problem, // the same for every row
  };
}

function referenceProblem(card, images) {
  if (card.local_reference_problem && images.some(({ url }) => !/^https?:/.test(url))) return card.local_reference_problem;
  const most = Math.min(card.max_references ?? MOST_REFERENCES, MOST_REFERENCES);
  if (images.length > most) {
    return card.notes?.sample_images || _("参考图有 {n} 张，最多 {most} 张", { n: images.length, most });
  }
  const lost = images.find(({ url }) => !url);
  if (lost?.match === "ambiguous") return _("有几张示例图都叫「{filename}」，请选择其中一张", { filename: lost.filename });
  if (lost?.trouble) return _("查不了示例图「{filename}」：{trouble}", lost);
  if (lost?.match === "unchecked") return _("正在查找示例图「{filename}」…", { filename: lost.filename });
  return lost ? _("没有找到示例图「{filename}」，请重新选择或先上传", { filename: lost.filename }) : "";
}

function sizeProblem(card, row, resolution) {
  const ratio = row.aspect_ratio || "1:1";
  if (!card.prices || !RATIOS.includes(ratio) || `${ratio}|${resolution}` in card.prices) return "";
  const offered = RESOLUTIONS.filter((one) => `${ratio}|${one}` in card.prices);
  return _("{label} 没有 {ratio} 的 {resolution}，可选：{offered}", { label: card.label, ratio, resolution, offered: offered.join(_("、")) });
}

function readRatio(typed) {
  const ratio = normalise(typed).replace(/\s*[:∶xX×*/比]\s*/g, ":");
  return RATIOS.includes(ratio) ? ratio : typed.trim();
}

function readResolution(typed) {
  const resolution = normalise(typed).toUpperCase();
  return RESOLUTIONS.includes(resolution) ? resolution : typed.trim();
}

export function normalise(value) {
  return String(value).replace(EACH_UNSEEN, "").normalize("NFKC").trim();
}

// The text without white space and what nobody sees at its ends; inside, emoji are made with joiners.
function trimmed(text) {
  let [start, end] = [0, text.length];
  while (start < end && AT_EDGE.test(text[start])) start += 1;
  while (end > start && AT_EDGE.test(text[end - 1])) end -= 1;
  return text.slice(start, end);
}

function numbers(most) {
  return Array.from({ length: most }, (_, index) => String(index + 1));
}

// What columns are called in workbooks and in blocks copied from them; the tolerances are those of
// sheets/header_words.py. What speaks of what a picture must not show is never the prompt.


// Small, letters only -> field.
export const FIELD_OF = {
  提示词: "prompt", prompt: "prompt", 正面提示词: "prompt", 正向提示词: "prompt", 画面描述: "prompt",
  负面提示词: "negative_prompt", 反向提示词: "negative_prompt", 负向提示词: "negative_prompt", 负面词: "negative_prompt",
  negativeprompt: "negative_prompt",
  图片比例: "aspect_ratio", 比例: "aspect_ratio", 画幅: "aspect_ratio", 宽高比: "aspect_ratio", aspectratio: "aspect_ratio",
  分辨率: "resolution", 清晰度: "resolution", resolution: "resolution",
  参考示例图: "sample_images", 参考图: "sample_images", 垫图: "sample_images", 示例图文件名: "sample_images", referenceimages: "sample_images",
  生成数量: "num_images", 数量: "num_images", 张数: "num_images", images: "num_images",
  文件名: "filename", 命名: "filename", 图片名称: "filename", filename: "filename",
  种子: "seed", seed: "seed",
  采样步数: "steps", 步数: "steps", steps: "steps",
};
const AGAINST = /[负負反逆]|否定|不(?!超|限|填|必|能为空|可为空)|避免|排除|禁|neg|avoid|exclu|without|\bno\b|[-−–]\P{L}*$/u;
const NEGATIVE_REMARK = /[([【「]\s*(负面|负向|反向|negative)\s*(提示词|词|prompt)?\s*[)\]】」]?$/u;
const IDLE = /必填项?|选填项?|可选项?|required|optional/gu;

/** `*提示词（必填）`, `Prompt / 提示词`, `【比例】` -> the field; undefined for what is none. */
export function fieldOfHeader(cell) {
  const text = normalise(cell.slice(0, 200)).toLowerCase();
  const bare = text.replace(/^[([【「](.*?)[)\]】」]/su, "$1 ").replace(/[([【「].*$/su, "").replace(IDLE, "");
  const latin = bare.match(/[a-z]+/gu)?.join("");
  const other = bare.match(/[^a-z\P{L}]+/gu)?.join("");
  const fields = new Set([latin, other].filter(Boolean).map((name) => Object.hasOwn(FIELD_OF, name) ? FIELD_OF[name] : undefined));
  const [field] = fields;
  if (fields.size !== 1) return undefined;
  if (field !== "prompt" || !AGAINST.test(text)) return field;
  return NEGATIVE_REMARK.test(text) ? "negative_prompt" : undefined;
}
