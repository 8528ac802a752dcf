// What columns are called in workbooks and in blocks copied from them; the tolerances are those of
// sheets/header_words.py. What speaks of what a picture must not show is never the prompt.

import { plain } from "./columns.js";

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
export function headerField(cell) {
  const text = plain(cell.slice(0, 200)).toLowerCase();
  const bare = text.replace(/^[([【「](.*?)[)\]】」]/su, "$1 ").replace(/[([【「].*$/su, "").replace(IDLE, "");
  const latin = bare.match(/[a-z]+/gu)?.join("");
  const other = bare.match(/[^a-z\P{L}]+/gu)?.join("");
  const fields = new Set([latin, other].filter(Boolean).map((name) => Object.hasOwn(FIELD_OF, name) ? FIELD_OF[name] : undefined));
  const [field] = fields;
  if (fields.size !== 1) return undefined;
  if (field !== "prompt" || !AGAINST.test(text)) return field;
  return NEGATIVE_REMARK.test(text) ? "negative_prompt" : undefined;
}
