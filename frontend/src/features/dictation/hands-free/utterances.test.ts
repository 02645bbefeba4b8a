/** Utterances of a hands-free conversation: the command that ends it, phantoms, open ends, and echoes. */
import { expect, it } from "vitest";

import { isEcho, isUnfinished, readUtterance } from "./utterances";

it.each([
  "Stop listening.",
  "stop listening",
  "STOP, LISTENING!",
  "Deja de escuchar.",
  " ¡Deja de escuchar! ",
  "Dejá de escuchar",
  "Stop. Listening!",
])("takes %j for the command", (text) => expect(readUtterance(text)).toEqual({ kind: "stop", words: "" }));

it.each([
  ["What is the weather like today? Stop listening.", "What is the weather like today?"],
  ["What is the weather like today?  stop, listening", "What is the weather like today?"],
  ["Write a poem. Make it short… Stop. Listening.", "Write a poem. Make it short…"],
  ["Call it “Tom.” Stop listening!", "Call it “Tom.”"],
  ["¿Qué tiempo hace? ¡Deja de escuchar!", "¿Qué tiempo hace?"],
  ["Um. Stop listening.", ""],
])("takes the last sentence of %j for the command", (text, words) =>
  expect(readUtterance(text)).toEqual({ kind: "stop", words }),
);

it.each([
  "Stop listening to him.",
  "Please stop listening",
  "No deja de escuchar música",
  "Stop.",
  "Escuchar",
  "Tell him to stop listening",
  "The button says: stop listening.",
  "Stop listening. To him, I mean.",
  "I told him. Please stop listening.",
])("sends %j", (text) => expect(readUtterance(text)).toEqual({ kind: "words", words: text }));

it.each(["", "  ", ".", "...", "¿?", "- …", "Um.", "Hmm, uh...", "Eh…", "Em, eh."])(
  "never sends %j",
  (text) => expect(readUtterance(text)).toEqual({ kind: "nothing", words: "" }),
);

it.each(["是的", "да", "7", "Yes.", "Sí", "No"])("sends %j, however short", (text) =>
  expect(readUtterance(text).kind).toBe("words"),
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
