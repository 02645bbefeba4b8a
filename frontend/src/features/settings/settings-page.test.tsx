/** Settings are shown, changed and remembered; the guide leads through and is not shown again. */
import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { parseSettings, SETTINGS_KEY } from "@/shared/lib/settings";
import type { Services } from "@/shared/services";
import { FakeApi, json } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { Guide } from "./guide";
import { SettingsPage } from "./settings-page";

const can = {
  languages: ["en"],
  streaming: true,
  words: true,
  vocabulary: false,
  network: false,
  raw_audio: false,
};
const engine = (name: string, status: string, more = {}) => ({
  ...{
    name,
    type: "local",
    status,
    description: `about ${name}; run \`make ${name}\``,
    default: false,
    models: [],
    capabilities: can,
  },
  ...more,
});

let services: Services;
beforeEach(() => {
  services = createTestServices();
  const server = new FakeApi()
    .on("GET /providers/stt", () =>
      json({
        items: [
          engine("whisper", "no_model", { models: ["base"] }),
          engine("sphinx", "ready", { default: true }),
        ],
      }),
    )
    .on("GET /providers/llm", () =>
      json({
        items: [
          { ...engine("echo", "ready", { default: true, type: "mock" }), capabilities: undefined },
          { ...engine("parrot", "ready", { type: "mock" }), capabilities: undefined },
        ],
      }),
    )
    .on("GET /api/models", () => json(["echo"]));
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const kept = () => parseSettings(localStorage.getItem(SETTINGS_KEY));
const show = (content: React.ReactNode) => renderWith(services, content);
const page = () => show(<SettingsPage microphone={null} account={null} />);

test("choices are kept", async () => {
  page();
  await screen.findByRole("option", { name: "whisper" });
  await userEvent.selectOptions(screen.getByLabelText("Speech engine"), "whisper");
  await userEvent.selectOptions(screen.getByLabelText("Model of the engine"), "base");
  await userEvent.click(screen.getByRole("radio", { name: "Light" }));
  await userEvent.click(screen.getByRole("switch", { name: "Echo cancellation" }));
  await userEvent.type(screen.getByLabelText("Words you use"), "Ana{Enter}PROMPTer");
  expect(kept()).toMatchObject({
    ...{
      sttProvider: "whisper",
      sttModel: "base",
      theme: "light",
      echoCancellation: false,
      vocabulary: ["Ana", "PROMPTer"],
    },
  });
});

test("languages that are spoken: one, several, any", async () => {
  services.settings.change({ sttProvider: "cloud" });
  page();
  const check = (name: string) => screen.getByRole("checkbox", { name });
  expect(check("Any language")).toBeChecked();
  expect(screen.getByRole("group", { name: "I speak" })).toHaveAccessibleDescription(
    "Each utterance may be in any language.",
  );
  await userEvent.click(check("Spanish"));
  expect(kept().spokenLangs).toEqual(["es"]);
  expect(screen.getByText("Everything is taken to be in this language.")).toBeVisible();
  await userEvent.click(check("English"));
  await userEvent.click(screen.getByRole("button", { name: "More languages" }));
  const search = screen.getByRole("searchbox", { name: "Search a language" });
  expect(search).toHaveFocus();
  await userEvent.type(search, "deut");
  await userEvent.click(screen.getByRole("button", { name: /German/ }));
  expect(kept().spokenLangs).toEqual(["es", "en", "de"]);
  expect(search).toHaveFocus();
  expect(check("German")).toBeChecked();
  await userEvent.type(search, "klingon");
  expect(screen.getByText("No such language.")).toBeVisible();
  await userEvent.click(check("German"));
  expect(kept().spokenLangs).toEqual(["es", "en"]);
  await userEvent.click(check("Any language"));
  expect(kept().spokenLangs).toEqual([]);
});

test("what hears is shown; what does not work is folded, and says what to do", async () => {
  page();
  const inUse = await screen.findByRole("list", { name: "What turns your speech into text" });
  expect(inUse).toHaveTextContent(/sphinx.*ready.*in use/);
  expect(inUse).not.toHaveTextContent("whisper");
  expect(screen.getByText("make whisper")).not.toBeVisible();
  await userEvent.click(screen.getByText("What could do it too"));
  const todo = screen.getByText("make whisper");
  expect(todo).toBeVisible();
  expect(todo.tagName).toBe("CODE");
});

test("test engines are shown only to whoever asks for them", async () => {
  page();
  const answering = await screen.findByRole("list", { name: "What can answer now" });
  expect(answering).not.toHaveTextContent("parrot");
  await userEvent.click(screen.getByRole("switch", { name: "Show test engines" }));
  expect(screen.getByRole("list", { name: "What can answer now" })).toHaveTextContent("parrot");
});

test("the key to speak is pressed to be chosen, and Escape keeps the old one", async () => {
  page();
  await userEvent.click(screen.getByRole("button", { name: "Space" }));
  await userEvent.keyboard("{Escape}");
  expect(kept().pushToTalkKey).toBe("Space");
  await userEvent.click(screen.getByRole("button", { name: "Space" }));
  await userEvent.keyboard("[F9]");
  expect(screen.getByRole("button", { name: "F9" })).toBeVisible();
  expect(kept().pushToTalkKey).toBe("F9");
});

test("the guide leads through three steps, once", async () => {
  show(<Guide microphone={<p>speak now</p>} />);
  expect(await screen.findByRole("list", { name: "sphinx turns your speech into text." })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(await screen.findByText(/echo only repeats/)).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(screen.getByText("speak now")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Start speaking" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(kept().guided).toBe(true);
});
