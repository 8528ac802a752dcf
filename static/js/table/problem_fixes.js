// What can be done about a group of equal problems (problem_groups.js), for all its rows in one step.

import { _ } from "../core/i18n.js";
import { ownSize } from "../core/sizes.js";
import { normalise } from "../grid/columns.js";

const DIGITS = "\u3007\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d"; // 〇 to 九
const PIXELS = 64; // a size above this is one in pixels, of which 1024 are 1K

/**
 * -> [{label, options: what can be chosen, or null, preset: the option that is likely meant, run(option): may return a promise}];
 * empty where each cell is to be looked at. parts: {table, model, pickReference(search)}. run() says what it did, with an undo.
 */
export function fixesOf(group, parts) {
  return fixers[group.kind]?.(group, parts) ?? [];
}

const fixers = {
  choice(group, { table }) {
    const options = group.column.options.filter((option) => !group.column.check(option, group.rows[0]));
    if (options.length === 0) return [];
    const preset = nearestOption(group.value, options, group.column.placeholder);
    return [{ label: group.rows.length > 1 ? _("全部改") : _("改"), options, preset, run: (value) => setAll(group, value, table) }];
  },
  number(group, { table }) {
    const value = readNumber(group.value, group.column);
    return [{ label: _("改成 {value}", { value: value || group.column.placeholder }), run: () => setAll(group, value, table) }];
  },
  blank: ({ rows }, { table }) => [{
    label: rows.length > 1 ? _("删掉这些行") : _("删掉这一行"),
    run() {
      table.commands.remove(rows);
      table.showUndo(_("已删除 {count} 行", { count: rows.length }));
    },
  }],
  reference(group, parts) {
    const { rows, value: name } = group;
    if (rows[0].sample_images.some(({ filename, match }) => filename === name && match === "unchecked")) return [];
    return [
      { label: _("换一张…"), run: () => replaceReference(group, parts) },
      {
        label: _("去掉"),
        run: () => setReferences(group, parts.table, _("去掉参考图"), _("{n} 行去掉了「{name}」", { n: rows.length, name }), (image) => (isNamed(image, name) ? [] : image)),
      },
    ];
  },
  excess(group, { table, model }) {
    const { max_references: most } = model.of(group.rows[0]);
    if (most === 0) return fixers.refused(group, { table });
    const message = _("{n} 行只留前 {most} 张参考图", { n: group.rows.length, most });
    return [{ label: _("只留前 {most} 张", { most }), run: () => setReferences(group, table, _("去掉参考图"), message, (image, index) => (index < most ? image : [])) }];
  },
  refused(group, { table }) {
    const message = _("{n} 行去掉了参考图", { n: group.rows.length });
    return [{ label: _("去掉参考图"), run: () => setReferences(group, table, _("去掉参考图"), message, () => []) }];
  },
};

function setAll({ rows, column: { field, label, placeholder } }, value, table) {
  table.commands.setAll(field, value, rows);
  table.showUndo(_("{n} 行的{column}改成了 {value}", { n: rows.length, column: label, value: value || placeholder }));
}

const isNamed = ({ url, filename }, name) => !url && filename === name;

// change(image, index) -> what takes its place
function setReferences({ rows, column: { field } }, table, label, message, change) {
  table.rows.step(label, () => { for (const row of rows) table.rows.set(row, field, row[field].flatMap(change)); });
  table.showUndo(message);
}

async function replaceReference(group, { table, pickReference }) {
  const image = await pickReference(group.value);
  if (!image) return;
  const message = _("{n} 行的「{name}」换成了「{other}」", { n: group.rows.length, name: group.value, other: image.filename });
  setReferences(group, table, _("更换参考图"), message, (one) => (isNamed(one, group.value) ? image : one));
}

/** The whole number that a text speaks of, within the bounds of the column, as text; "" where it speaks of none. */
function readNumber(text, { low = 0, high }) {
  const plain = normalise(text).replace(/[两俩]/g, DIGITS[2]);
  const [digits] = /\d+/.exec(plain) ?? [];
  const number = digits === undefined ? chineseNumber(plain) : Number(digits);
  return number === null ? "" : String(Math.max(low, Math.min(number, high)));
}

// Below a hundred: 二张 -> 2, 十二 -> 12, 二十 -> 20; null where there is none.
function chineseNumber(text) {
  const [found, before, ten, last] = /([一二三四五六七八九]?)(十?)([一二三四五六七八九]?)/.exec(text.replace(/^[^一二三四五六七八九十]+/, ""));
  if (!found) return null;
  if (!ten) return DIGITS.indexOf(before);
  return (before ? DIGITS.indexOf(before) : 1) * 10 + (last ? DIGITS.indexOf(last) : 0);
}

/** The option whose size or ratio is nearest to that of a text (5:4 -> 4:3, 1080P -> 1K); `usual` where it has none. */
function nearestOption(text, options, usual) {
  const own = options[0].endsWith("K") && ownSize(text);
  const wanted = own ? Math.sqrt(own.width * own.height) / 1024 : sizeOf(text);
  const distance = (option) => Math.abs(Math.log(sizeOf(option) / wanted));
  if (!wanted) return options.includes(usual) ? usual : options[0];
  return options.reduce((best, option) => (distance(option) < distance(best) ? option : best));
}

// 16:9 and 1920x1080 -> the quotient, 2K and 2048 -> 2; 0 where there is no number.
function sizeOf(text) {
  const [first = 0, second = 0] = (normalise(text).match(/\d+(\.\d+)?/g) ?? []).map(Number);
  if (second > 0) return first / second;
  return first > PIXELS ? first / 1024 : first;
}
