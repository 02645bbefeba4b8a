/** What of a drop or a paste is attached, and what becomes text. */
import { expect, test } from "vitest";

import { findPasted, splitRecordings } from "./incoming";

const picture = () => new File(["x"], "image.png", { type: "image/png", lastModified: 0 });

function paste(types: string[], files: File[], target: EventTarget = document.body): ClipboardEvent {
  return { clipboardData: { types, files }, target } as unknown as ClipboardEvent;
}

test("pictures of the clipboard get names of their own; a text beside them is what is meant", () => {
  const [first, second] = findPasted(paste(["Files"], [picture(), picture()]));
  expect(first?.name).toMatch(/^image-\d\d-\d\d-\d\d\.png$/);
  expect(second?.name).toMatch(/-2\.png$/);
  expect(findPasted(paste(["text/plain", "Files"], [picture()]))).toEqual([]);
  expect(findPasted(paste(["Files"], [new File(["x"], "notes.md")])).map(({ name }) => name)).toEqual([
    "notes.md",
  ]);
});

test("what is pasted into another field, or under a dialog, stays there", () => {
  const search = document.createElement("input");
  expect(findPasted(paste(["Files"], [picture()], search))).toEqual([]);
  const composer = document.createElement("textarea");
  composer.dataset["composer"] = "";
  expect(findPasted(paste(["Files"], [picture()], composer))).toHaveLength(1);
  const dialog = document.createElement("dialog");
  dialog.setAttribute("open", "");
  document.body.append(dialog);
  expect(findPasted(paste(["Files"], [picture()]))).toEqual([]);
  dialog.remove();
});

test("recordings are told by type or ending; films are files", () => {
  const names = ([one, other]: [File[], File[]]) => [
    one.map(({ name }) => name),
    other.map(({ name }) => name),
  ];
  const files = [
    new File([""], "a.mp3", { type: "audio/mpeg" }),
    new File([""], "b.M4A"),
    new File([""], "c.mp4", { type: "video/mp4" }),
    new File([""], "d.pdf", { type: "application/pdf" }),
  ];
  expect(names(splitRecordings(files))).toEqual([
    ["a.mp3", "b.M4A"],
    ["c.mp4", "d.pdf"],
  ]);
});
