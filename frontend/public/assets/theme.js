// Before the first paint: sets the theme, and asks for the texts of the language beside the page's script. It is a
// file because the page allows no inline script.
(function (own) {
  var settings = {};
  try {
    settings = JSON.parse(localStorage.getItem("prompter.settings") || "{}") || {};
  } catch (unreadable) {
    // A broken or forbidden store means the defaults.
  }
  var dark =
    settings.theme === "dark" ||
    (settings.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);

  // Chosen as in i18n.ts. The build writes where the texts of each language are; on the development server they are
  // not asked for early.
  var texts = own.dataset;
  var tags = [settings.uiLanguage || ""].concat(navigator.languages || []).map(function (tag) {
    return String(tag).toLowerCase().split("-")[0];
  });
  var language = tags.filter(function (tag) {
    return Object.hasOwn(texts, tag);
  })[0];
  var address = texts[language || "en"];
  if (!address) return;
  var link = document.createElement("link");
  link.rel = "modulepreload";
  link.href = address;
  document.head.append(link);
})(document.currentScript);
