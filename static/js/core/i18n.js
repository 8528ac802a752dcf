// What scripts say. Chinese is the source; an English page gets its scripts with English sentences in them.

/** The language of the page, for dates and numbers. */
export const language = document.documentElement.lang;

/** A sentence with its gaps filled: {n} takes a value, in English {n:picture|pictures} the fitting word. */
export function _(sentence, values = {}) {
  return sentence.replaceAll(/\{(\w+)(?::([^{}]*))?\}/g, (gap, name, words) => {
    if (!(name in values)) return gap;
    return words === undefined ? values[name] : words.split("|")[String(values[name]) === "1" ? 0 : 1];
  });
}

/** 14:05 */
export function formatClock(at) {
  return at.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

/** 11月24日, Nov 24; with its year when that is another one. */
export function formatDay(at) {
  const year = at.getFullYear() === new Date().getFullYear() ? undefined : "numeric";
  return at.toLocaleDateString(language, { year, month: "short", day: "numeric" });
}

/** How long it has been so far, to the second: 25 秒, 2 分 4 秒 */
export function formatElapsed(seconds) {
  if (seconds < 60) return _("{seconds} 秒", { seconds });
  return _("{minutes} 分 {seconds} 秒", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}

/** How long about: 25 秒, 3 分钟, 1 小时 5 分 */
export function formatDuration(seconds) {
  if (seconds < 60) return _("{seconds} 秒", { seconds: Math.ceil(seconds) });
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? _("{minutes} 分钟", { minutes }) : _("{hours} 小时 {minutes} 分", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

// Money in words.


/** CNY as people read it; null or NaN is a price that nobody knows. */
export function formatPrice(amount) {
  if (Number.isNaN(amount ?? NaN)) return _("价格未设");
  return amount > 0 ? `¥${Number(amount.toFixed(4)).toFixed(2)}` : _("免费");
}
