/** What the server says of recordings and models, and what it is asked with. */
import { expect, test, vi } from "vitest";

import { DEFAULTS } from "@/shared/lib/settings";
import { FakeApi, json } from "@/test/fake-api";
import { createTestServices } from "@/test/services";

import { buildHearing, findAbility, openServer, readProgress, readWords } from "./server";

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

test("whether a model sees is known by its id alone; of the server's choice, by what that asks", async () => {
  const abilities = [
    { id: "here/blind", images: false },
    { id: "there/sees", images: true },
    { id: "there/other", images: null },
    { id: "echo", images: false },
  ];
  expect(["here/blind", "there/sees", "there/other", "gone"].map((id) => findAbility(abilities, id))).toEqual(
    [false, true, null, null],
  );
  const items = [
    { name: "here", model: "blind", chosen: true },
    { name: "there", model: "sees", chosen: false },
    { name: "echo", model: null, chosen: false },
  ];
  const fake = new FakeApi()
    .on("GET /api/models/abilities", () => json(abilities))
    .on("GET /providers/llm", () => json({ items }));
  vi.stubGlobal("fetch", fake.fetch);
  const { seesImages } = openServer(createTestServices());
  expect(await Promise.all(["", "there", "echo", "there/sees"].map(seesImages))).toEqual([
    false,
    true,
    false,
    true,
  ]);
});
