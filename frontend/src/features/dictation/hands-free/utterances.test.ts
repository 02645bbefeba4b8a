/** Utterances of a hands-free conversation: the command that ends it, phantoms, open ends, and echoes. */
import { expect, it } from "vitest";

import { classifyUtterance, isEcho, isUnfinished } from "./utterances";

it.each([
  "Stop listening.",
  "stop listening",
  "STOP, LISTENING!",
  "Deja de escuchar.",
  " ¡Deja de escuchar! ",
  "Dejá de escuchar",
])("takes %j for the command", (text) => expect(classifyUtterance(text)).toBe("stop"));

it.each([
  "Stop listening to him.",
  "Please stop listening",
  "No deja de escuchar música",
  "Stop.",
  "Escuchar",
])("sends %j", (text) => expect(classifyUtterance(text)).toBe("words"));

it.each(["", "  ", ".", "...", "¿?", "- …", "Um.", "Hmm, uh...", "Eh…", "Em, eh."])(
  "never sends %j",
  (text) => expect(classifyUtterance(text)).toBe("nothing"),
);

it.each(["是的", "да", "7", "Yes.", "Sí", "No"])("sends %j, however short", (text) =>
  expect(classifyUtterance(text)).toBe("words"),
);

it.each([
  "I would like a,",
  "And then…",
  "Write a poem about the.",
  "Quiero un poema sobre el mar y",
  "Tell me when",
  "Because...",
])("expects more after %j", (text) => expect(isUnfinished(text)).toBe(true));

it.each([
  "Write a poem about the sea.",
  "What is it for?",
  "¿Y tú?",
  "escribe un poema",
  "what is the weather like",
])("expects no more after %j", (text) => expect(isUnfinished(text)).toBe(false));

it("knows what was read aloud when it is heard again", () => {
  const read = "The capital of France is Paris. It lies on the Seine.";
  expect(isEcho("The capital", read)).toBe(true);
  expect(isEcho("capital of trance is Paris", read)).toBe(true);
  expect(isEcho("Stop.", read)).toBe(false);
  expect(isEcho("No, I meant the capital of Germany and its rivers", read)).toBe(false);
  expect(isEcho("", read)).toBe(false);
  expect(isEcho("Sí, así", "Si, asi es.")).toBe(true);
});
