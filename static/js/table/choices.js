// The small list under a cell whose values are a closed set. Typed text filters it.

// list: the listbox element. onChoose(option) is called for a click, onPoint(id of the option or "") when another one is current.
export function makeChoices(list, onChoose, onPoint) {
  let shown = [];
  let current = -1;
  let meant = false; // whether the option pointed at was typed or walked to, and not only offered

  function open(options, text) {
    const wanted = text.normalize("NFKC").trim().toUpperCase();
    const starts = options.filter((option) => option.startsWith(wanted));
    const holds = options.filter((option) => !option.startsWith(wanted) && option.includes(wanted));
    shown = [...starts, ...holds];
    list.replaceChildren(...shown.map(makeOption));
    list.hidden = shown.length === 0;
    meant = wanted !== "";
    point(shown.indexOf(wanted) >= 0 ? shown.indexOf(wanted) : 0);
  }

  // All options, with the one that the cell holds pointed at; leaving them alone changes nothing.
  function openAt(options, value) {
    open(options, "");
    point(Math.max(shown.indexOf(value), 0));
  }

  function point(index) {
    current = shown.length === 0 ? -1 : (index + shown.length) % shown.length;
    [...list.children].forEach((option, place) => option.setAttribute("aria-selected", String(place === current)));
    list.children[current]?.scrollIntoView({ block: "nearest" });
    onPoint(list.children[current]?.id ?? "");
  }

  function close() {
    shown = [];
    current = -1;
    list.hidden = true;
  }

  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) onChoose(option.textContent);
  });
  return {
    open, openAt, close,
    move(by) {
      meant = true;
      point(current + by);
    },
    get isOpen() { return !list.hidden; },
    get current() { return meant ? shown[current] ?? null : null; },
  };
}

function makeOption(text, index) {
  const option = document.createElement("li");
  option.setAttribute("role", "option");
  option.id = `cell-choice-${index}`;
  option.textContent = text;
  return option;
}
