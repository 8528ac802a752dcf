// Going back closes the large view: while it is open it has an entry of its own in the history of the tab.

/** Returns {opened(), closed()}, to be called when the dialog was opened and closed. */
export function closeOnBack(dialog) {
  const isOurs = () => Boolean(history.state?.largeView);

  addEventListener("popstate", () => dialog.open && dialog.close());
  if (isOurs()) history.replaceState(null, ""); // the page was reloaded while it was open

  return {
    opened: () => isOurs() || history.pushState({ largeView: true }, ""),
    closed: () => isOurs() && history.back(),
  };
}
