/** What the server says of recordings and models, and what it is asked with. */
import { expect, test } from "vitest";

import { DEFAULTS } from "@/shared/lib/settings";

import { buildHearing, findAbility, readProgress, readWords } from "./server";

const ANSWER = `: progress {"done_s":0.0,"duration_s":4.0}

data: {"type":"transcript.text.delta","delta":"Write "}

: progress {"done_s":3.0,"duration_s":4.0}

`;

test("a recording is heard as far as the server said last", () => {
  expect(readProgress("")).toBeNull();
  expect(readProgress(ANSWER)).toBe(0.75);
  expect(readProgress(ANSWER.slice(0, 60))).toBe(0);
});

test("its words are those of the last event; an answer that broke off has none", () => {
  const done = `data: {"type":"transcript.text.done","text":"Write it."}\n\n`;
  expect(readWords(ANSWER + done)).toBe("Write it.");
  expect(() => readWords(ANSWER)).toThrow(expect.objectContaining({ code: "unreachable" }) as Error);
  const failed = `data: {"error":{"code":"engine_failed","message":"no"}}\n\n`;
  expect(() => readWords(ANSWER + failed)).toThrow(
    expect.objectContaining({ code: "engine_failed" }) as Error,
  );
});

test("it is heard as a dictation would be", () => {
  const sound = new File(["x"], "a.wav");
  const fields = (spokenLangs: string[], sttProvider = "") =>
    [
      ...buildHearing(sound, {
        ...DEFAULTS,
        spokenLangs,
        sttProvider,
        sttModel: "base",
        vocabulary: ["LOFT"],
      }),
    ]
      .filter(([name]) => name !== "file")
      .map(([name, value]) => `${name}=${value as string}`);
  expect(fields([])).toEqual(["stream=true", "keywords[]=LOFT"]);
  expect(fields(["es"], "whisper_local")).toEqual([
    "stream=true",
    "model=whisper_local/base",
    "language=es",
    "keywords[]=LOFT",
  ]);
  expect(fields(["es", "en"])).toContain("languages[]=en");
});

test("whether a model sees is known by its id, or by all models of its provider", () => {
  const abilities = [
    { id: "here/one", images: false },
    { id: "here/two", images: false },
    { id: "there/one", images: true },
    { id: "there/two", images: null },
  ];
  expect(
    ["here/one", "here", "there/one", "there", "nowhere", ""].map((id) => findAbility(abilities, id)),
  ).toEqual([false, false, true, null, null, null]);
});
