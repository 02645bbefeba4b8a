/** The name of the file in which code of a language is kept. Pure. */
const EXTENSIONS: Record<string, string> = {
  asciidoc: "adoc",
  bash: "sh",
  "c#": "cs",
  "c++": "cpp",
  clojure: "clj",
  cmd: "bat",
  console: "sh",
  csharp: "cs",
  elixir: "ex",
  erlang: "erl",
  fortran: "f90",
  fsharp: "fs",
  golang: "go",
  haskell: "hs",
  javascript: "js",
  jsonc: "json",
  julia: "jl",
  kotlin: "kt",
  latex: "tex",
  markdown: "md",
  matlab: "m",
  mermaid: "mmd",
  "objective-c": "m",
  ocaml: "ml",
  pascal: "pas",
  patch: "diff",
  perl: "pl",
  plaintext: "txt",
  powershell: "ps1",
  python: "py",
  python3: "py",
  ruby: "rb",
  rust: "rs",
  shell: "sh",
  terraform: "tf",
  text: "txt",
  typescript: "ts",
  "visual-basic": "vb",
  yaml: "yml",
  zsh: "sh",
};
/** Files that have a name and no extension. */
const NAMES: Record<string, string> = {
  docker: "Dockerfile",
  dockerfile: "Dockerfile",
  make: "Makefile",
  makefile: "Makefile",
};

/** Languages that name a file by its own extension, such as `css` or `sql`, have short names of letters. */
const OWN_EXTENSION = /^[a-z][a-z0-9]{0,7}$/;

export function nameCodeFile(language: string): string {
  const name = language.toLowerCase();
  if (Object.hasOwn(NAMES, name)) return NAMES[name] ?? "code.txt";
  const known = Object.hasOwn(EXTENSIONS, name) ? EXTENSIONS[name] : undefined;
  return `code.${known ?? (OWN_EXTENSION.test(name) ? name : "txt")}`;
}
