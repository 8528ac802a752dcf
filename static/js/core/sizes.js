// Sizes of one's own: 800x600 in the place of a resolution, read, bounded and priced as the server does (app/domain/sizes.py).

const WRITTEN = /^(\d{2,5})\s*[x×✕✖*]\s*(\d{2,5})\s*(?:px|像素)?$/i;
const MIN_SIDE = 64; // smaller numbers are meant as a ratio

/** `800×600 px` -> {width, height}, or null. */
export function ownSize(text) {
  const [, width, height] = (WRITTEN.exec(String(text ?? "").normalize("NFKC").trim()) ?? []).map(Number);
  return Math.min(width, height) >= MIN_SIDE ? { width, height } : null;
}

export const spellSize = ({ width, height }) => `${width}x${height}`;

/** Whether a model takes a size; rule: see own_sizes_json(). */
export function isTaken({ width, height }, rule) {
  const [low, high, area] = [Math.min(width, height), Math.max(width, height), width * height];
  const isWithin = low >= rule.min_side && high <= Math.min(rule.max_side, low * rule.max_ratio);
  return isWithin && low % rule.multiple_of === 0 && high % rule.multiple_of === 0 && area >= rule.min_area && area <= rule.max_area;
}

/** CNY for a picture of this size without references, NaN when it is not known. */
export function priceOfSize({ width, height }, { prices, tokens }, quality) {
  const area = width * height;
  if (!tokens) return Number(prices.find(({ pixels }) => pixels === null || area <= pixels).price ?? NaN);
  const units = tokens.units[quality] ?? tokens.units[tokens.usual];
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  const other = Math.max(Math.floor((2 * units * short + long) / (2 * long)), 1);
  return Math.ceil(units * other * (2_000_000 + area) / 4_000_000) * Number(tokens.each);
}
