// While the index of prompts is being built, look again now and then how far it is.

const PAUSE = 2000;

export function indexing(page, finder) {
  const look = () => page.querySelector("[data-indexing]") && setTimeout(again, PAUSE);

  function again() {
    if (document.hidden || document.querySelector("dialog[open], details.filter-more[open]")) look();
    else finder.reload();
  }

  page.addEventListener("found", look);
  look();
}
