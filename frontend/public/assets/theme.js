// Sets the theme before the first paint, from a file because the page allows no inline script.
(function () {
  var chosen = "dark";
  try {
    chosen = (JSON.parse(localStorage.getItem("prompter.settings") || "{}") || {}).theme || "dark";
  } catch (unreadable) {
    // A broken or forbidden store means the default.
  }
  var dark = chosen === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : chosen !== "light";
  document.documentElement.classList.toggle("dark", dark);
})();
