// What a client says of a picture, where the studio looks at it.

import { _ } from "../core/i18n.js";

const SIGNS = { heart: "♥", reject: "✗" };
const WORDS = { heart: _("选了"), reject: _("不要") };

/** The sentence: 王小姐：杯口再圆一点; "" without one. */
export const sentenceOf = ({ client, comment }) => (comment ? _("{client}：{comment}", { client, comment }) : "");

/** The sign in the corner of a picture. said: the `client` of a picture, or undefined. */
export function signOf(said) {
  if (!said) return "";
  const { mark, comment, client } = said;
  const words = [WORDS[mark], comment].filter(Boolean).join(_("，"));
  return { textContent: [SIGNS[mark], comment && "💬"].filter(Boolean).join(" "), title: _("{client}：{comment}", { client, comment: words }), ariaLabel: words, data: { said: mark } };
}
