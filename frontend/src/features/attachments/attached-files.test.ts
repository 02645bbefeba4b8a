/** Files on their way to a message: sent, lost, refused, followed, kept over a reload, and asked about. */
import { beforeEach, describe, expect, it, vi } from "vitest";

import { type Attachment, NO_FILES } from "@/shared/api/attachments";
import { ApiError } from "@/shared/api/client";
import { buildAttachment } from "@/test/attachments";

import { AttachedFiles, type AttachedFilesOptions, type AttachmentLimits } from "./attached-files";

const file = (name: string, type = "text/plain") => new File(["content"], name, { type });

/** A server that is told what to answer, and when. */
class FakeFileServer {
  readonly sent: { name: string; key: string }[] = [];
  readonly removed: string[] = [];
  readonly attachments = new Map<string, Attachment>();
  sees: boolean | null = null;
  limits: AttachmentLimits | null = null;
  refusals: ApiError[] = [];
  /** What the next file becomes. */
  next: Partial<Attachment> = {};
  words: string | Promise<string> = "what was said";
  gate: Promise<void> = Promise.resolve();
  /** Pauses that were asked for. */
  readonly waits: number[] = [];

  readonly options = (texts: Map<string, string>): AttachedFilesOptions => ({
    send: async ({ name }, key, { signal, onPart }) => {
      this.sent.push({ name, key });
      onPart(0.5);
      await this.gate;
      signal.throwIfAborted();
      const refusal = this.refusals.shift();
      if (refusal !== undefined) throw refusal;
      const made = buildAttachment({ id: `id-${name}`, name, ...this.next });
      this.attachments.set(made.id, made);
      return made;
    },
    hear: async (_, { signal, onHeard }) => {
      onHeard(0.25);
      const words = await this.words;
      signal.throwIfAborted();
      return words;
    },
    readLimits: () => Promise.resolve(this.limits),
    read: (id) => {
      const found = this.attachments.get(id);
      return found ? Promise.resolve(found) : Promise.reject(new ApiError("not_found", "no such file", 404));
    },
    remove: (id) => {
      this.removed.push(id);
      return Promise.resolve();
    },
    seesImages: () => Promise.resolve(this.sees),
    texts: { get: (place) => texts.get(place) ?? "", set: (place, text) => void texts.set(place, text) },
    wait: (ms, signal) => {
      this.waits.push(ms);
      signal.throwIfAborted();
      return new Promise((resolve) => setTimeout(resolve, 0));
    },
  });
}

let server: FakeFileServer;
let texts: Map<string, string>;
let files: AttachedFiles;
beforeEach(() => {
  server = new FakeFileServer();
  texts = new Map();
  files = new AttachedFiles(server.options(texts));
});

const states = (place = "c") => files.list(place).map(({ name, state }) => `${name} ${state.kind}`);
const settled = (place = "c") => vi.waitFor(() => expect(files.isPending(place)).toBe(false));
const noModel = () => undefined;

function hold(): () => void {
  let open = (): void => undefined;
  server.gate = new Promise((resolve) => (open = resolve));
  return open;
}

describe("AttachedFiles", () => {
  it("sends three files at a time, in order, and gives what the server has to the message", async () => {
    const open = hold();
    files.add(
      "c",
      ["a", "b", "c", "d"].map((name) => file(name)),
    );
    await vi.waitFor(() => expect(server.sent).toHaveLength(3));
    expect(states()).toEqual(["a sending", "b sending", "c sending", "d waiting"]);
    open();
    await settled();
    expect(files.take("c").attachments.map(({ id }) => id)).toEqual(["id-a", "id-b", "id-c", "id-d"]);
    expect([files.list("c"), server.removed]).toEqual([[], []]);
  });

  it("leaves out what is more than a message can have, and says how many", () => {
    const many = Array.from({ length: 22 }, (_, index) => file(`${index}`));
    expect(files.add("c", many)).toEqual({ left: 2, most: 20 });
    expect(files.add("c", [file("one more")]).left).toBe(1);
  });

  it("does not send what is larger than the server takes, and counts as the server does", async () => {
    server.limits = { files: 2, bytes: 5 };
    files = new AttachedFiles(server.options(texts));
    await Promise.resolve();
    const big = new File(["too big"], "big");
    expect(files.add("c", [big, new File(["fits"], "fits"), file("more")])).toEqual({ left: 1, most: 2 });
    expect(files.list("c")[0]?.state).toMatchObject({ problem: { code: "file_too_big" } });
    await vi.waitFor(() => expect(states()).toEqual(["big failed", "fits ready"]));
    expect(server.sent.map(({ name }) => name)).toEqual(["fits"]);
  });

  it("tries again by itself after a lost line, as the same file, with longer and longer pauses", async () => {
    server.refusals = [
      ApiError.unreachable(),
      new ApiError("server_full", "come later", 503, null, 9),
      ApiError.unreachable(),
    ];
    files.add("c", [file("a")]);
    await settled();
    expect(new Set(server.sent.map(({ key }) => key)).size).toBe(1);
    expect(server.sent).toHaveLength(4);
    expect(server.waits.slice(0, 3)).toEqual([500, 9000, 2000]);
  });

  it("keeps a refused file with the reason, keeps the message back, and sends it again when asked", async () => {
    server.refusals = [new ApiError("unsupported_file", "not known", 400)];
    files.add("c", [file("a")]);
    await vi.waitFor(() => expect(states()).toEqual(["a failed"]));
    expect(await files.prepare("c", "m", noModel)).toBeNull();
    files.retry(files.list("c")[0]?.key ?? "");
    await settled();
    expect(await files.prepare("c", "m", noModel)).toBe("m");
  });

  it("ends what is on its way when it is removed, and takes back what the server got", async () => {
    const open = hold();
    files.add("c", [file("a"), file("b")]);
    await vi.waitFor(() => expect(server.sent).toHaveLength(2));
    files.remove(files.list("c")[0]?.key ?? "");
    open();
    await settled();
    expect(states()).toEqual(["b ready"]);
    files.remove(files.list("c")[0]?.key ?? "");
    expect(server.removed).toEqual(["id-b"]);
  });

  it("follows a recording until the server has written down what is said in it; a send waits for that", async () => {
    server.next = { kind: "audio", state: "working" };
    files.add("c", [file("a.mp3", "audio/mpeg")]);
    await vi.waitFor(() => expect(states()).toEqual(["a.mp3 reading"]));
    const prepared = files.prepare("c", "m", noModel);
    await vi.waitFor(() => expect(files.isAwaited("c")).toBe(true));
    server.attachments.set("id-a.mp3", buildAttachment({ id: "id-a.mp3", name: "a.mp3", kind: "audio" }));
    expect(await prepared).toBe("m");
    expect(files.isAwaited("c")).toBe(false);
  });

  it("stops waiting where the user does not want to send any more, or something fails", async () => {
    const open = hold();
    files.add("c", [file("a")]);
    const first = files.prepare("c", "m", noModel);
    files.cancelWaiting("c");
    expect(await first).toBeNull();
    const second = files.prepare("c", "m", noModel);
    server.refusals = [new ApiError("file_not_readable", "broken", 400)];
    open();
    expect(await second).toBeNull();
  });

  it("has the files of a draft again after a reload, and says which of them the server has no more", async () => {
    files.add("c", [file("a"), file("b")]);
    await settled();
    server.attachments.delete("id-b");
    const later = new AttachedFiles(server.options(texts));
    expect(later.list("c").map(({ name }) => name)).toEqual(["a", "b"]);
    await vi.waitFor(() => expect(later.list("c")[1]?.state).toMatchObject({ problem: { code: "gone" } }));
    expect(later.list("c")[0]?.state.kind).toBe("ready");
    expect(later.canRetry(later.list("c")[1]?.key ?? "")).toBe(false);
  });

  it("takes what was not sent back to its message, before what was attached since, and nothing twice", async () => {
    files.add("new", [file("a")]);
    await settled("new");
    const taken = files.take("new");
    files.add("new", [file("b")]);
    files.move("new", "c");
    files.restore("c", taken);
    files.restore("c", taken);
    await settled();
    expect([states(), states("new")]).toEqual([["a ready", "b ready"], []]);
    expect(JSON.parse(texts.get("c") ?? "")).toHaveLength(2);
    expect(texts.get("new")).toBe("");
  });

  it("writes the words of a recording, and attaches nothing", async () => {
    const written: string[] = [];
    files.add("c", [file("note.m4a", "audio/mp4")], (text) => written.push(text));
    await vi.waitFor(() => expect(written).toEqual(["what was said"]));
    expect([files.list("c"), files.take("c"), server.sent]).toEqual([[], NO_FILES, []]);
  });

  it("offers a recording without words as a file", async () => {
    server.words = " ";
    files.add("c", [file("hum.wav", "audio/wav")], () => undefined);
    await vi.waitFor(() =>
      expect(files.list("c")[0]?.state).toMatchObject({ problem: { code: "no_words" } }),
    );
    files.retry(files.list("c")[0]?.key ?? "", true);
    await settled();
    expect(files.take("c").attachments.map(({ name }) => name)).toEqual(["hum.wav"]);
  });

  describe("pictures for a model that cannot see", () => {
    beforeEach(async () => {
      server.sees = false;
      server.next = { kind: "image" };
      files.add("c", [file("a.png", "image/png")]);
      await settled();
    });
    const asked = () => vi.waitFor(() => expect(files.getQuestion()).not.toBeNull());

    it("are sent without a question where it sees, or nobody knows", async () => {
      for (const sees of [true, null]) {
        server.sees = sees;
        expect(await files.prepare("c", "m", noModel)).toBe("m");
      }
      expect(files.take("c").isAsText).toBe(false);
    });

    it("are asked about where the server has refused them, whatever was known", async () => {
      server.sees = null;
      files.markBlind("m");
      const prepared = files.prepare("c", "m", noModel);
      await asked();
      files.getQuestion()?.answer({ kind: "cancel" });
      expect(await prepared).toBeNull();
    });

    it("go by their names alone where the user says so, for this message and this model", async () => {
      const prepared = files.prepare("c", "m", noModel);
      await asked();
      expect(files.isPending("c")).toBe(true);
      files.getQuestion()?.answer({ kind: "without" });
      expect(await prepared).toBe("m");
      expect(await files.prepare("c", "m", noModel)).toBe("m");
      expect(files.take("c")).toMatchObject({ isAsText: true });
      expect(files.take("c").isAsText).toBe(false);
    });

    it("go to the model that the user chooses instead", async () => {
      const chosen: string[] = [];
      const prepared = files.prepare("c", "m", (model) => chosen.push(model));
      await asked();
      files.getQuestion()?.answer({ kind: "model", model: "sees" });
      expect([await prepared, chosen]).toEqual(["sees", ["sees"]]);
    });

    it("stay where they are where the user cancels, or goes elsewhere", async () => {
      const first = files.prepare("c", "m", noModel);
      await asked();
      files.getQuestion()?.answer({ kind: "cancel" });
      expect(await first).toBeNull();
      const second = files.prepare("c", "m", noModel);
      await asked();
      files.cancelWaiting("c");
      expect([await second, files.getQuestion()]).toEqual([null, null]);
      expect(states()).toEqual(["a.png ready"]);
    });
  });
});
