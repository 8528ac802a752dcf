// Blocks of cells as Excel and WPS put them on the clipboard: tabs, line ends, quotes around what needs them.

// Text -> array of rows of cell texts. A quoted cell may hold tabs, line breaks and doubled quotes.
export function parseBlock(text) {
  const rows = [[]];
  let at = 0;
  while (at <= text.length) {
    const cell = text[at] === '"' ? quotedCell(text, at) ?? plainCell(text, at) : plainCell(text, at);
    rows[rows.length - 1].push(cell.value);
    at = cell.end;
    if (at >= text.length) break;
    if (text[at] === "\t") at += 1;
    else {
      at += text.startsWith("\r\n", at) ? 2 : 1;
      if (at >= text.length) break;
      rows.push([]);
    }
  }
  return rows;
}

export function formatBlock(rows) {
  return rows.map((cells) => cells.map(formatCell).join("\t")).join("\r\n");
}

function plainCell(text, start) {
  let end = start;
  while (end < text.length && text[end] !== "\t" && text[end] !== "\n" && text[end] !== "\r") end += 1;
  return { value: text.slice(start, end), end };
}

// null when the quote is not closed right before a separator: then it was just a character.
function quotedCell(text, start) {
  let value = "";
  let at = start + 1;
  for (;;) {
    const close = text.indexOf('"', at);
    if (close < 0) return null;
    value += text.slice(at, close);
    if (text[close + 1] === '"') {
      value += '"';
      at = close + 2;
      continue;
    }
    const end = close + 1;
    const ends = end >= text.length || "\t\r\n".includes(text[end]);
    return ends ? { value: value.replaceAll("\r\n", "\n"), end } : null;
  }
}

function formatCell(value) {
  return /["\t\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
