// Translation and formats. Chinese is the source language; an English page gets scripts with English sentences in them.

/** The language of the page, for dates and numbers. */
export const language = document.documentElement.lang;

/** Fill the placeholders of a sentence: {n} takes a value, in English {n:image|images} the singular or plural. */
export function _(sentence, values = {}) {
  return sentence.replaceAll(/\{(\w+)(?::([^{}]*))?\}/g, (placeholder, name, forms) => {
    if (!(name in values)) return placeholder;
    return forms === undefined ? values[name] : forms.split("|")[String(values[name]) === "1" ? 0 : 1];
  });
}

/** UTC as the API writes it -> milliseconds. */
export function parseTime(text) {
  return Date.parse(`${text.replace(" ", "T")}Z`);
}

/** 14:05 */
export function formatClock(at) {
  return at.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** 11月24日, Nov 24; with the year unless it is the current one. */
export function formatDay(at) {
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return at.toLocaleDateString(language, { year, month: "short", day: "numeric" });
}

/** An elapsed time to the second: 25 秒, 2 分 4 秒 */
export function formatElapsed(seconds) {
  if (seconds < 60) return _("{seconds} 秒", { seconds });
  return _("{minutes} 分 {seconds} 秒", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}

/** An estimated time: 25 秒, 3 分钟, 1 小时 5 分 */
export function formatDuration(seconds) {
  if (seconds < 60) return _("{seconds} 秒", { seconds: Math.ceil(seconds) });
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? _("{minutes} 分钟", { minutes }) : _("{hours} 小时 {minutes} 分", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

/** A price in CNY; null or NaN is an unknown price. */
export function formatPrice(amount) {
  if (Number.isNaN(amount ?? NaN)) return _("价格未设");
  return amount > 0 ? `¥${Number(amount.toFixed(4)).toFixed(2)}` : _("免费");
}

/** What images cost of which some, `unpriced`, have no known price: ¥1.24 + 3 张价格未设 */
export function formatSum({ price, unpriced }) {
  if (unpriced > 0 && price > 0) return _("{sum} + {n} 张价格未设", { sum: formatPrice(price), n: unpriced });
  return formatPrice(unpriced > 0 ? null : price);
}
