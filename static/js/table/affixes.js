// 前缀 and 后缀 of every prompt of the table: kept with the table, and said on their button.

import { apply } from "../core/dom.js";
import { _ } from "../core/i18n.js";

export const affixes = { prefix: "", suffix: "" };

/** Returns set({prefix, suffix}). */
export function bindAffixes(button) {
  function render() {
    const { prefix, suffix } = affixes;
    const words = [prefix && _("前缀"), suffix && _("后缀")].filter(Boolean).join(_("、"));
    apply(button, { textContent: words ? `${words} ✓` : _("前缀 / 后缀"), title: [prefix, suffix].filter(Boolean).join(" … ") });
  }

  return ({ prefix = "", suffix = "" }) => {
    if (prefix === affixes.prefix && suffix === affixes.suffix) return;
    Object.assign(affixes, { prefix, suffix });
    render();
  };
}
