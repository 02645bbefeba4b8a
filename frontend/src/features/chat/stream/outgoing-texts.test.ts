/** Texts on their way: found again over a reload, until it is known what became of them. */
import { expect, it } from "vitest";

import { NO_FILES } from "@/shared/api/attachments";
import { TabTexts } from "@/shared/lib/tab-texts";
import { buildAttachment } from "@/test/attachments";

import { OUTGOING_KEY, OutgoingTexts } from "./outgoing-texts";

it("keeps a text with its files until it is known what became of it", () => {
  const kept = new Map<string, string>();
  const store = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const open = (owner = "ana") => new OutgoingTexts(new TabTexts(OUTGOING_KEY, store, () => owner));
  const texts = open();
  expect(texts.find("c")).toBeNull();
  const files = { attachments: [buildAttachment({ name: "two words.png" })], isAsText: true };
  texts.add("c", { clientMessageId: "1", text: "two\nlines\n", files });
  expect(open().find("c")).toEqual({ clientMessageId: "1", text: "two\nlines\n", files });
  texts.add("c", { clientMessageId: "2", text: "later", files: NO_FILES });
  expect(open().find("c")?.files).toEqual(NO_FILES);
  texts.remove("c", "1");
  expect(open().find("c")?.text).toBe("later");
  texts.remove("c", "2");
  expect([open().find("c"), kept.size]).toEqual([null, 0]);
});
