// Sets the theme before the first paint, from a file because the page allows no inline script.
(function () {
  var chosen = "system";
  try {
    chosen = (JSON.parse(localStorage.getItem("prompter.settings") || "{}") || {}).theme || "system";
  } catch (unreadable) {
    // A broken or forbidden store means the default.
  }
  var dark = chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);
})();
