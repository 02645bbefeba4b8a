/** A dictation is heard again: what is offered, how far it is, what came of it, and what went wrong. */
import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test, vi } from "vitest";

import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { RedoDialog, type RedoDialogProps } from "./redo-dialog";

afterEach(() => vi.unstubAllGlobals());

const ENGINE = {
  name: "whisper_local",
  type: "local",
  status: "ready",
  title: "Whisper",
  model: "base",
  models: ["base", "small"],
  host: null,
  default: true,
  description: "",
  note: null,
  capabilities: { languages: null, streaming: true, words: true, vocabulary: true, network: false },
};
const BEFORE = { text: "Ola means wave", lang: "en", provider: "whisper_local", model: "base" };
const WORKING = {
  id: "v1",
  status: "working",
  text: "",
  lang: "es",
  done_ms: 12_000,
  duration_ms: 65_000,
  items: [],
};
const DONE = { ...WORKING, status: "done", text: "Ola, me manda", done_ms: null, duration_ms: null };

function show(versions: object[], props: Partial<RedoDialogProps> = {}, begun = json(WORKING, 202)) {
  const left = [...versions];
  const api = new FakeApi()
    .on("GET /providers/stt", () => json({ items: [ENGINE] }))
    .on("POST /api/dictations/d1/redo", () => begun)
    .on("GET /api/dictations/d1/versions/v1", () => json(left.length > 1 ? left.shift() : left[0]))
    .on("DELETE /api/dictations/d1/versions/v1", () => json({ status: "deleted" }));
  vi.stubGlobal("fetch", api.fetch);
  const services = createTestServices();
  services.settings.change({ spokenLangs: ["en", "es"], vocabulary: ["Ñandú"] });
  const close = vi.fn();
  renderWith(services, <RedoDialog dictationId="d1" before={BEFORE} onClose={close} {...props} />);
  return { api, close };
}

const begin = async () => userEvent.click(await screen.findByRole("button", { name: "Hear it again" }));

test("the other language is offered first, with the engine of before; the text takes the place", async () => {
  const run = vi.fn();
  const { api, close } = show([WORKING, DONE], { use: { label: "Replace", run } });
  expect(await screen.findByRole("option", { name: /^Whisper base/ })).toBeInTheDocument();
  expect(screen.getByRole("combobox", { name: "Spoken language" })).toHaveValue("es");
  expect(screen.getByText("Before, it was heard as English.")).toBeVisible();
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Who listens" }), "1");
  await begin();
  expect(await screen.findByText("0:12 of 1:05")).toBeVisible();
  expect(api.requests.find(({ method }) => method === "POST")?.body).toEqual({
    provider: "whisper_local",
    model: "small",
    lang: "es",
    vocabulary: ["Ñandú"],
  });
  const after = await screen.findByRole("region", { name: "Now" });
  expect([...after.querySelectorAll("mark")].map((mark) => mark.textContent.trim())).toEqual(["me manda"]);
  await userEvent.click(screen.getByRole("button", { name: "Replace" }));
  expect(run).toHaveBeenCalledWith(DONE.text);
  expect(close).toHaveBeenCalledOnce();
});

test("it can be cancelled, and something else tried", async () => {
  const { api } = show([WORKING]);
  await begin();
  await userEvent.click(await screen.findByRole("button", { name: "Cancel" }));
  expect(await screen.findByRole("button", { name: "Hear it again" })).toBeEnabled();
  expect(api.routes).toContain("DELETE /api/dictations/d1/versions/v1");
});

test("nothing understood is said, and the text before stays", async () => {
  show([{ ...DONE, text: "" }], { use: { label: "Replace", run: vi.fn() } });
  await begin();
  expect(await screen.findByText(/No words were understood this time/)).toBeVisible();
  expect(screen.queryByRole("button", { name: "Replace" })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Try something else" }));
  expect(await screen.findByRole("button", { name: "Hear it again" })).toBeEnabled();
});

test.each([
  [refusal(404, "audio_not_kept"), "The sound of this dictation is not kept any more."],
  [refusal(409, "redo_under_way"), /being heard again already/],
  [refusal(503, "server_full"), /as much to do as it can/],
])("a refusal is said in words", async (refused, text) => {
  show([WORKING], {}, refused);
  await begin();
  expect(within(await screen.findByRole("alert")).getByText(text)).toBeVisible();
  expect(screen.getByRole("button", { name: "Hear it again" })).toBeEnabled();
});

test("a server that stopped meanwhile is told, and it can be asked again", async () => {
  const error = { code: "interrupted", message: "x", note: { code: "redo_interrupted", params: {} } };
  show([{ ...WORKING, status: "failed", error }]);
  await begin();
  expect(await screen.findByText(/The server stopped before it had listened to everything/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: /again/i }));
  expect(await screen.findByRole("button", { name: "Hear it again" })).toBeEnabled();
});
