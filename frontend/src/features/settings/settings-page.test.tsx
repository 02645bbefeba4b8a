/** Settings are shown, changed and remembered; the guide leads through and is not shown again. */
import { screen, waitFor, within } from "@testing-library/react";
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
    title: "",
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
          engine("whisper", "ready", {
            ...{ title: "Whisper", model: "base", models: ["base", "small"] },
            note: { code: "hears", params: { languages: 100, percent: 5 } },
          }),
          engine("sphinx", "ready", { default: true }),
          engine("loud", "no_model", { note: { code: "no_checkpoint", params: {} } }),
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
  await screen.findByRole("option", { name: "Whisper base, on this computer, 100 languages" });
  await userEvent.selectOptions(screen.getByLabelText("Speech engine"), "whisper");
  await userEvent.selectOptions(screen.getByLabelText("Model of the speech engine"), "small");
  await userEvent.click(screen.getByRole("radio", { name: "Light" }));
  await userEvent.click(screen.getByRole("switch", { name: "Ignore the sound of my own speakers" }));
  await userEvent.type(screen.getByLabelText("Words you use"), "Ana{Enter}PROMPTer");
  expect(kept()).toMatchObject({
    ...{
      sttProvider: "whisper",
      sttModel: "small",
      theme: "light",
      echoCancellation: false,
      vocabulary: ["Ana", "PROMPTer"],
    },
  });
});

test("what an assistant is, where there is none", async () => {
  page();
  expect(await screen.findByText("No assistants yet")).toBeVisible();
  await userEvent.click(screen.getByText("How to add one, for whoever runs the server"));
  expect(screen.getByText("assistants/NAME.toml")).toBeVisible();
});

test("languages that are spoken: one, several, any", async () => {
  services.settings.change({ sttProvider: "cloud" });
  page();
  const check = (name: string) => screen.getByRole("checkbox", { name });
  expect(check("Any language")).toBeChecked();
  expect(screen.getByRole("group", { name: "I speak" })).toHaveAccessibleDescription(
    "You can change the language with each sentence.",
  );
  await userEvent.click(check("Spanish"));
  expect(kept().spokenLangs).toEqual(["es"]);
  expect(screen.getByText("Everything is understood as this language.")).toBeVisible();
  await userEvent.click(check("English"));
  await userEvent.click(screen.getByRole("button", { name: "More languages" }));
  const search = screen.getByRole("searchbox", { name: "Search for a language" });
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
  expect(inUse).toHaveTextContent(/Sphinx.*ready.*in use/);
  expect(inUse).toHaveTextContent("About 5 words in 100 are wrong");
  expect(inUse).not.toHaveTextContent("Loud");
  expect(screen.getByText(/has not been downloaded yet/)).not.toBeVisible();
  await userEvent.click(screen.getByText("What could do it too"));
  expect(screen.getByText(/has not been downloaded yet/)).toBeVisible();
  const todo = screen.getByText("make loud");
  expect(todo).not.toBeVisible();
  await userEvent.click(
    within(screen.getByRole("list", { name: "What could do it too" })).getByText(
      "For whoever runs the server",
    ),
  );
  expect(todo).toBeVisible();
  expect(todo.tagName).toBe("CODE");
});

test("in use is what this browser uses", async () => {
  services.settings.change({ sttProvider: "whisper", chatModel: "parrot/one" });
  page();
  const hearing = await screen.findByRole("list", { name: "What turns your speech into text" });
  const answering = await screen.findByRole("list", { name: "What can answer now" });
  const marked = (list: HTMLElement) =>
    within(list)
      .getAllByRole("listitem")
      .filter((item) => item.textContent?.includes("in use"))
      .map((item) => /Whisper|Sphinx|Echo|Parrot/.exec(item.textContent ?? "")?.[0]);
  expect([marked(hearing), marked(answering)]).toEqual([["Whisper"], ["Parrot"]]);
});

test("test engines are shown only to whoever asks for them", async () => {
  page();
  const answering = await screen.findByRole("list", { name: "What can answer now" });
  expect(answering).not.toHaveTextContent("Parrot");
  await userEvent.click(screen.getByRole("switch", { name: "Show test engines" }));
  expect(screen.getByRole("list", { name: "What can answer now" })).toHaveTextContent("Parrot");
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
  show(<Guide microphone={<p>speak now</p>} connect={<button>Connect</button>} />);
  expect(await screen.findByRole("list", { name: "Sphinx turns your speech into text." })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(await screen.findByText(/answers only repeat/)).toBeVisible();
  expect(screen.getByRole("button", { name: "Connect" })).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Next" }));
  expect(screen.getByText("speak now")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Start speaking" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(kept().guided).toBe(true);
});
