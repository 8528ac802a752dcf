// Runs before the first paint: the theme and the size of pictures that were chosen, and the word that scripts run.

try {
  const chosen = JSON.parse(localStorage.getItem("theme"));
  const size = JSON.parse(localStorage.getItem("pictures.size"));
  if (chosen) document.documentElement.dataset.theme = chosen;
  if (size) document.documentElement.dataset.pictures = size;
} catch {
  // A browser without storage follows the system.
}
document.documentElement.classList.add("js");
