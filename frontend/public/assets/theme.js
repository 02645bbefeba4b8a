// Before the first paint: sets theme and look, and asks for the texts of the language beside the page's script. It is a
// file because the page allows no inline script.
(function (own) {
  var settings = {};
  try {
    settings = JSON.parse(localStorage.getItem("prompter.settings") || "{}") || {};
  } catch (unreadable) {
    // A broken or forbidden store means the defaults.
  }
  var root = document.documentElement;
  var dark = settings.theme === "dark" || (settings.theme !== "light" && asks("color-scheme: dark"));
  var contrast = settings.contrast === "high" || (settings.contrast !== "normal" && asks("contrast: more"));
  root.classList.toggle("dark", dark);
  root.classList.toggle("contrast", contrast);
  function asks(what) {
    return matchMedia("(prefers-" + what + ")").matches;
  }

  // What show-look.ts has made of the settings: custom properties alone, which load nothing.
  try {
    var look = localStorage.getItem("prompter.look");
    if (look && !/url|image|import|\\/i.test(look)) {
      window.prompterLook = new CSSStyleSheet();
      window.prompterLook.replaceSync(look);
      document.adoptedStyleSheets.push(window.prompterLook);
    }
  } catch (unsupported) {
    // A store that is forbidden, or an old browser: the page looks as it is shipped.
  }

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
