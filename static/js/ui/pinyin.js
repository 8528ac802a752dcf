// The initials of Chinese words in pinyin, from the order in which the browser sorts them.

const LETTERS = "abcdefghjklmnopqrstwxyz";
// The first character of each letter in that order; no word starts with i, u or v.
const FIRST = [..."\u963f\u516b\u5693\u54d2\u59b8\u53d1\u65ee\u54c8\u8ba5\u5494\u5783\u75f3\u62cf\u5662\u5991\u4e03\u5465\u6268\u5b83\u7a75\u5915\u4e2b\u5e00"];
const { compare } = new Intl.Collator("zh-u-co-pinyin");

/** A text with each Chinese character replaced by the first letter of its most usual reading, in lower case. */
export function initialsOf(text) {
  return text.replaceAll(/\p{Script=Han}/gu, (character) => LETTERS[FIRST.findLastIndex((first) => compare(character, first) >= 0)] ?? "").toLowerCase();
}
