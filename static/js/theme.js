// Runs before the first paint: the theme that was chosen, and the word that scripts run.

try {
  const chosen = JSON.parse(localStorage.getItem("theme"));
  if (chosen) document.documentElement.dataset.theme = chosen;
} catch {
  // A browser without storage follows the system.
}
document.documentElement.classList.add("js");
