"""What is measured of a page: what cannot be reached by touch, how many controls are in view."""

from playwright.sync_api import Page

# Elements of the page, or of its modal dialog, that cannot be reached by touch.
_OUT_OF_REACH = """() => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
  const top = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.body;
  const markup = (element) => element.outerHTML.slice(0, 160);
  for (const element of [top, ...top.querySelectorAll("*")]) {
    const sideways = element.scrollWidth > element.clientWidth + 1;
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    const may = element.matches("pre, textarea");
    if (sideways && scrolls && !may) found.push(`scrolls sideways: ${markup(element)}`);
  }
  const actions = "a[href], button, summary, input, select, textarea, [role=option], [role=menuitem]";
  for (const element of top.querySelectorAll(actions)) {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    if (element.closest(".sr-only, .skip-link")) continue;
    const { left, right, width, height } = (element.closest("label") ?? element).getBoundingClientRect();
    if (left < -1 || right > innerWidth + 1) found.push(`beyond the edge: ${markup(element)}`);
    const isAlone = element.parentElement.textContent.trim() === element.textContent.trim();
    const isWord = getComputedStyle(element).display === "inline" && !isAlone; // within a sentence
    if (!isWord && Math.min(width, height) < 23.9) found.push(`${width}×${height}: ${markup(element)}`);
  }
  return found;
}"""
_IN_VIEW = """() => {
  const seen = (element) => {
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    if (!element.matches("input") && element.closest(".sr-only, .skip-link")) return false;
    const box = (element.closest("label") ?? element).getBoundingClientRect();
    const isInside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    return box.width * box.height > 0 && isInside;
  };
  const controls = "a[href], button, summary, input, select, textarea";
  return [...document.querySelectorAll(controls)].filter(seen).length;
}"""
READY = """
() => document.readyState === "complete"
  && [...document.querySelectorAll("[data-batch], [data-records-page], [data-usage]")]
    .every((place) => "ready" in place.dataset)
  && [...document.images].every((image) => image.complete || !image.checkVisibility()
    || image.getBoundingClientRect().top > innerHeight)
"""


def out_of_reach(page: Page) -> list[str]:
    """Why elements of the page cannot be reached by touch."""
    found: list[str] = page.evaluate(_OUT_OF_REACH)
    return found


def controls_in_view(page: Page) -> int:
    """How many controls are seen without scrolling, the pointer elsewhere."""
    page.mouse.move(0, 0)
    number: int = page.evaluate(_IN_VIEW)
    return number


def resize(page: Page, width: int) -> None:
    """Make the page this wide, and wait until it fits."""
    page.set_viewport_size({"width": width, "height": 844})
    page.wait_for_function(f"() => innerWidth === {width} && document.documentElement.scrollWidth <= {width}")
