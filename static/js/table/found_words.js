// Marks words in the cells that are rendered, and goes on doing so while the table scrolls.

const NAME = "found";

/** body: of the table. Returns {show(pattern, field): a RegExp with g, or null; the field whose column alone is marked, or ""}. */
export function highlightWords(body) {
  let wanted = null; // {pattern, field}
  let isRequested = false;
  const observer = new MutationObserver(request);

  function request() {
    if (isRequested) return;
    isRequested = true;
    requestAnimationFrame(() => {
      isRequested = false;
      mark();
    });
  }

  function mark() {
    if (!wanted) return void CSS.highlights?.delete(NAME);
    const { pattern, field } = wanted;
    const cells = body.querySelectorAll(field ? `[data-column="${CSS.escape(field)}"] .table-text` : ".table-text");
    CSS.highlights?.set(NAME, new Highlight(...[...cells].flatMap(({ childNodes }) => [...childNodes]).filter(({ nodeType }) => nodeType === Node.TEXT_NODE)
      .flatMap((node) => rangesIn(node, pattern))));
  }

  return {
    show(pattern, field = "") {
      observer.disconnect();
      wanted = pattern && { pattern, field };
      if (pattern) observer.observe(body, { subtree: true, childList: true });
      mark();
    },
  };
}

function rangesIn(node, pattern) {
  return [...node.data.matchAll(pattern)].map(({ index, 0: { length } }) => {
    const range = new Range();
    range.setStart(node, index);
    range.setEnd(node, index + length);
    return range;
  });
}
