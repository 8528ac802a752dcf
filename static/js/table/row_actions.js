// What can be done with one row: its button, its pictures, its references; its menu is in row_menu.js.

/** The actions: see open_table.js. Returns {activate(column, index)}: Enter, F2 or a double click on a cell that is not text. */
export function bindRowActions({ table, describe, goToRow, openPicture, openRowMenu, chooseReferences, orderRow }) {

  table.body.addEventListener("click", (event) => {
    const position = table.view.positionOf(event.target);
    if (!position) return;
    const row = table.rows.shown[position.row];
    const picture = event.target.closest("[data-picture]");
    if (picture && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      openPicture(Number(picture.dataset.picture));
    }
    const same = event.target.closest("[data-go-to-row]");
    if (same) goToRow(Number(same.dataset.goToRow));
    if (event.target.closest("[data-run-row]")) orderRow(row);
    if (event.target.closest("[data-references]")) chooseReferences(row);
    if (event.target.closest("[data-row-menu]")) openRowMenu(position.row);
  });

  const actions = {
    references: (row) => chooseReferences(row),
    actions: (row, index) => openRowMenu(index),
    status(row) {
      const { pictures: [picture], action, sameAs, href } = describe(row);
      if (sameAs) goToRow(sameAs);
      else if (href) location.assign(href);
      else if (picture) openPicture(picture.id);
      else if (action) orderRow(row);
    },
  };

  function activate({ kind }, index) {
    const row = table.rows.shown[index];
    if (row) actions[kind]?.(row, index);
    return kind in actions;
  }

  return { activate };
}
