/** The chat as it is used: say, see the answer, edit, go through versions, be refused. */
import { act, cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Router } from "wouter";
import { memoryLocation } from "wouter/memory-location";

import type { Services } from "@/shared/services";
import { buildAttachment } from "@/test/attachments";
import { createTestServices, renderWith } from "@/test/services";

import { AnswersContext, createAnswers } from "./answers-context";
import { ChatPage, type ComposerParts } from "./chat-page";
import { WINDOW_SIZE } from "./components/use-message-window";
import { FakeConversations } from "./fake-conversations";

class StillObserver implements ResizeObserver {
  observe(): void {}
  unobserve(): void {}
  disconnect(): void {}
}

function open(server: FakeConversations, path = "/", composer?: ComposerParts) {
  vi.stubGlobal("fetch", server.fetch);
  const { hook, history, navigate } = memoryLocation({ path, record: true });
  const Page = () => {
    const [at] = hook();
    const [, , id, messageId] = at.split("/");
    return (
      <ChatPage
        conversationId={id ?? null}
        messageId={messageId ?? null}
        {...(composer ? { composer } : {})}
      />
    );
  };
  renderWith(
    services,
    <AnswersContext value={createAnswers(services)}>
      <Router hook={hook}>
        <Page />
      </Router>
    </AnswersContext>,
  );
  return {
    user: userEvent.setup(),
    history,
    navigate,
    field: () => screen.getByRole("textbox", { name: "Your message" }),
  };
}

const answers = () =>
  screen.queryAllByRole("article", { name: "Answer" }).map((article) => article.textContent);

let services: Services;
beforeEach(() => {
  sessionStorage.clear();
  services = createTestServices();
  vi.stubGlobal("ResizeObserver", StillObserver);
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
});

describe("ChatPage", () => {
  it("queues what is sent during an answer, and sends it by itself when that ends", async () => {
    const server = new FakeConversations({ holds: true });
    const { user, field } = open(server);
    await user.type(field(), "one{Enter}");
    await waitFor(() => expect(answers()[0]).toContain("echo: one"));
    await user.type(field(), "two{Enter}");
    const queue = await screen.findByRole("list", { name: "Sent when the answer ends" });
    expect(queue).toHaveTextContent("two");
    expect(field()).toHaveValue("");
    act(() => server.finish());
    await waitFor(() => expect(answers()[1]).toContain("echo: two"));
    expect(screen.queryByRole("list", { name: "Sent when the answer ends" })).not.toBeInTheDocument();
    expect(server.requests.filter(({ request }) => request === "POST /api/chat/stream")).toHaveLength(2);
  });

  it("waits for last words where they were spoken: who goes elsewhere meanwhile stays there, and can send", async () => {
    const server = new FakeConversations();
    let finish = (_: string): void => undefined;
    const draft = {
      isEmpty: false,
      take: () =>
        new Promise<{ text: string; isWhole: boolean }>((resolve) => {
          finish = (text) => resolve({ text, isWhole: true });
        }),
      restore: () => undefined,
      focus: () => undefined,
    };
    const field = <textarea aria-label="Your message" />;
    const { user, navigate, history } = open(server, "/", { draft, field, microphone: null });
    await user.click(screen.getByRole("button", { name: "Send" }));
    act(() => finish("one"));
    await waitFor(() => expect(answers()[0]).toContain("echo: one"));
    const made = history.at(-1) ?? "";
    act(() => navigate("/"));
    await user.click(screen.getByRole("button", { name: "Send" }));
    expect(screen.getByRole("button", { name: "Waiting for the last words…" })).toBeDisabled();
    act(() => navigate(made));
    expect(await screen.findByRole("button", { name: "Send" })).toBeEnabled();
    act(() => finish("two"));
    await waitFor(() => expect(server.messages.map(({ content }) => content)).toContain("two"));
    expect(history.at(-1)).toBe(made);
  });

  it("sends files with the text, once they are ready; what is refused returns with them", async () => {
    const server = new FakeConversations();
    const files = { attachments: [buildAttachment()], isAsText: true };
    let decide = (_: string | null): void => undefined;
    const restore = vi.fn();
    const draft = {
      isEmpty: false,
      prepare: () => new Promise<string | null>((resolve) => (decide = resolve)),
      take: () => Promise.resolve({ text: "", isWhole: true, files }),
      restore,
      focus: () => undefined,
    };
    const field = <textarea aria-label="Your message" />;
    const { user } = open(server, "/", { draft, field, microphone: null });
    const send = () => user.click(screen.getByRole("button", { name: "Send" }));
    await send();
    expect(screen.getByRole("button", { name: "Waiting for the files…" })).toBeDisabled();
    act(() => decide(null));
    expect(await screen.findByRole("button", { name: "Send" })).toBeEnabled();
    expect(server.requests.map(({ request }) => request)).not.toContain("POST /api/chat/stream");
    server.refuseNext({ status: 400, code: "images_not_supported", message: "it sees none" });
    await send();
    act(() => decide("seeing"));
    await waitFor(() => expect(restore).toHaveBeenCalledWith("", files));
    const sent = server.requests.find(({ request }) => request === "POST /api/chat/stream");
    expect(sent?.body).toMatchObject({ attachments: ["f1"], attachments_as_text: true, model: "seeing" });
  });

  it("takes a queued message back by Escape or its button, and only then stops the answer", async () => {
    const server = new FakeConversations({ holds: true });
    const { user, field } = open(server);
    await user.type(field(), "one{Enter}");
    await waitFor(() => expect(answers()[0]).toContain("echo: one"));
    await user.type(field(), "two{Enter}");
    await screen.findByRole("button", { name: "Take back: two" });
    await user.type(field(), "three{Enter}");
    await user.click(await screen.findByRole("button", { name: "Take back: two" }));
    expect(field()).toHaveValue("two");
    await user.keyboard("{Escape}");
    expect(field()).toHaveValue("three\ntwo");
    expect(server.isStopped).toBe(false);
    await user.keyboard("{Escape}");
    await waitFor(() => expect(server.isStopped).toBe(true));
  });

  it("returns queued messages to the field where the answer is stopped", async () => {
    const server = new FakeConversations({ holds: true });
    const { user, field } = open(server);
    await user.type(field(), "one{Enter}");
    await waitFor(() => expect(answers()[0]).toContain("echo: one"));
    await user.type(field(), "two{Enter}");
    await screen.findByRole("button", { name: "Take back: two" });
    await user.type(field(), "three");
    await user.click(screen.getByRole("button", { name: "Send when the answer ends" }));
    await screen.findByRole("button", { name: "Take back: three" });
    await user.click(screen.getByRole("button", { name: "Stop the answer" }));
    await waitFor(() => expect(field()).toHaveValue("two\nthree"));
    expect(server.messages.map(({ content }) => content)).toEqual(["one", "echo: one"]);
  });

  it("shows no answer where one was stopped before its first word, only the way to another", async () => {
    const { user, field } = open(new FakeConversations({ holds: true, isMute: true }));
    await user.type(field(), "one{Enter}");
    await user.click(await screen.findByRole("button", { name: "Stop the answer" }));
    const again = await screen.findByText("Answer again", { selector: "button" });
    await waitFor(() => expect(again).toBeEnabled());
    expect(answers()).toEqual([]);
    expect(screen.queryByText("Stopped.")).toBeNull();
    expect(services.announcements.get().text).toBe("Stopped.");
    await user.click(again);
    await waitFor(() => expect(answers()).toHaveLength(1));
    await user.click(await screen.findByRole("button", { name: "Stop the answer" }));
    const previous = await screen.findByRole("button", { name: "Previous version" });
    await waitFor(() => expect(previous).toBeEnabled()); // no version is out of reach
  });

  it("says that an answer was stopped below what had come of it", async () => {
    const { user, field } = open(new FakeConversations({ holds: true }));
    await user.type(field(), "one{Enter}");
    await waitFor(() => expect(answers()[0]).toContain("echo: one"));
    await user.click(screen.getByRole("button", { name: "Stop the answer" }));
    await waitFor(() => expect(answers()[0]).toContain("Stopped."));
    await waitFor(() => expect(services.announcements.get().text).toBe("Answer: echo: one Stopped."));
  });

  it("makes a conversation of the first message and shows its answer", async () => {
    const { user, history, field } = open(new FakeConversations());
    await user.type(field(), "Say **hello**{Enter}");
    await waitFor(() => expect(screen.getByRole("heading", { level: 1 })).toHaveTextContent("Say **hello**"));
    await waitFor(() => expect(answers()[0]).toContain("echo: Say hello"));
    expect(screen.getByRole("article", { name: "You" })).toHaveTextContent("Say **hello**"); // as it was said
    expect(history.at(-1)).toMatch(/^\/c\//);
    expect(field()).toHaveValue("");
    await waitFor(() => expect(services.announcements.get().text).toBe("Answer: echo: Say **hello**"));
  });

  it("shows the title that the model gives after its answer", async () => {
    const server = new FakeConversations();
    server.naming = { title: "A greeting", isOver: false };
    const { user, field } = open(server);
    await user.type(field(), "Say hello{Enter}");
    const heading = screen.getByRole("heading", { level: 1 });
    await waitFor(() => expect(heading).toHaveTextContent("Say hello"));
    server.naming.isOver = true;
    await waitFor(() => expect(heading).toHaveTextContent("A greeting"));
  });

  it("sends nothing for Enter in an empty field, and a new line for Shift+Enter", async () => {
    const server = new FakeConversations();
    const { user, field } = open(server);
    await user.type(field(), "  {Enter}");
    await user.type(field(), "one{Shift>}{Enter}{/Shift}two");
    expect(field()).toHaveValue("one\ntwo");
    expect(server.messages).toEqual([]);
  });

  it("answers again, and goes back to the first version", async () => {
    const { user, field } = open(new FakeConversations());
    await user.type(field(), "hi{Enter}");
    await user.click(await screen.findByRole("button", { name: "Answer again" }));
    await screen.findByRole("group", { name: "Version 2 of 2" });
    await screen.findByRole("button", { name: "Answer again" });
    expect(answers()[0]).toContain("echo: hi (again)");
    await user.click(screen.getByRole("button", { name: "Previous version" }));
    await screen.findByRole("group", { name: "Version 1 of 2" });
    expect(answers()[0]).not.toContain("(again)");
  });

  it("edits the last message from the empty field; Escape leaves it as it was", async () => {
    const { user, field } = open(new FakeConversations());
    await user.type(field(), "hi{Enter}");
    await screen.findByRole("button", { name: "Answer again" });
    await user.type(field(), "{ArrowUp}");
    const edit = await screen.findByRole("textbox", { name: "Edit your message" });
    await user.type(edit, " there{Escape}");
    expect(screen.getByRole("article", { name: "You" })).toHaveTextContent(/^hi$/);
    await user.click(screen.getByRole("button", { name: "Edit" }));
    await user.type(screen.getByRole("textbox", { name: "Edit your message" }), " there{Enter}");
    await waitFor(() => expect(answers()[0]).toContain("echo: hi there"));
    expect(screen.getByRole("group", { name: "Version 2 of 2" })).toBeInTheDocument();
  });

  it("gives a refused text back, and says why until it is put away", async () => {
    const server = new FakeConversations();
    server.refuseNext({ status: 413, code: "message_too_big", message: "send less at a time" });
    const { user, field } = open(server);
    await user.type(field(), "far too much{Enter}");
    expect(await screen.findByRole("alert")).toHaveTextContent(
      "That did not work. This is too long to be sent at once. Send it in parts.",
    );
    await waitFor(() => expect(field()).toHaveValue("far too much"));
    await user.click(screen.getByRole("button", { name: "Dismiss" }));
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  });

  it("keeps a text that did not arrive, over a reload elsewhere, and in front of what was to follow it", async () => {
    const server = new FakeConversations();
    const { user, field, navigate } = open(server);
    await user.type(field(), "hi{Enter}");
    await screen.findByRole("button", { name: "Answer again" });
    const release = server.hold("POST /api/chat/stream");
    await user.type(field(), "one{Enter}");
    await user.type(field(), "two{Enter}");
    await screen.findByRole("button", { name: "Take back: two" });
    expect(services.unsent.find()).toEqual(["text"]);
    act(() => navigate("/c/nowhere"));
    server.refuseNext({ status: 413, code: "message_too_big", message: "" });
    release();
    await waitFor(() => expect(sessionStorage.getItem("prompter.outgoing")).toBeNull());
    expect(services.unsent.find()).toEqual(["text"]);
    cleanup();
    services = createTestServices(); // as after a reload: what is stored is all there is
    const after = open(server, "/c/c");
    await waitFor(() => expect(after.field()).toHaveValue("one\ntwo"));
    expect(services.unsent.find()).toEqual([]);
  });

  it("offers neither Stop nor a place behind an answer while it is not known whether there is one", async () => {
    const server = new FakeConversations();
    const { user, field } = open(server);
    await user.type(field(), "hi{Enter}");
    await screen.findByRole("button", { name: "Answer again" });
    server.isDown = true;
    await user.type(field(), "one{Enter}");
    expect(await screen.findByText(/The server does not answer\. Once it is back/)).toBeVisible();
    expect(screen.getAllByText(/Not known whether it arrived/)).toHaveLength(1);
    await user.type(field(), "two{Enter}");
    expect(field()).toHaveValue("two");
    expect(screen.queryByRole("button", { name: /Stop the answer|when the answer ends/ })).toBeNull();
    expect(screen.getByRole("button", { name: "Send" })).toBeDisabled();
  });

  it("begins a long conversation with its last messages, and shows more for the asking", async () => {
    const server = new FakeConversations();
    await server.fetch("/api/conversations", { method: "POST" });
    for (let n = 1; n <= WINDOW_SIZE / 2 + 5; n += 1)
      await server.fetch("/api/chat/stream", {
        method: "POST",
        body: JSON.stringify({ message: `no. ${n}` }),
      });
    vi.stubGlobal("IntersectionObserver", StillObserver);
    const { user } = open(server, "/c/c");
    await screen.findByText(`echo: no. ${WINDOW_SIZE / 2 + 5}`);
    const shown = () => document.querySelectorAll("article").length; // roles take jsdom seconds here
    expect(shown()).toBe(WINDOW_SIZE);
    await user.click(screen.getByText("Show earlier messages"));
    expect(shown()).toBe(WINDOW_SIZE + 10);
    expect(screen.queryByText("Show earlier messages")).toBeNull();
  });

  it("takes the reader to what a search found, among the first of a long conversation too", async () => {
    const server = new FakeConversations();
    await server.fetch("/api/conversations", { method: "POST" });
    for (let n = 1; n <= WINDOW_SIZE; n += 1)
      await server.fetch("/api/chat/stream", {
        method: "POST",
        body: JSON.stringify({ message: `no. ${n}` }),
      });
    vi.stubGlobal("IntersectionObserver", StillObserver);
    const scrolledTo: unknown[] = [];
    Element.prototype.scrollIntoView = function () {
      scrolledTo.push(this);
    };
    open(server, `/c/c/${server.messages[12]?.id}`);
    await screen.findByText("echo: no. 7");
    expect(document.activeElement).toHaveTextContent("no. 7");
    expect(scrolledTo).toEqual([document.activeElement]);
    expect(document.activeElement?.parentElement?.children).toHaveLength(2 * WINDOW_SIZE - 7);
  });

  it("shows the branch of what a search found, once", async () => {
    const server = new FakeConversations();
    await server.fetch("/api/conversations", { method: "POST" });
    const say = (route: string, message: string) =>
      server.fetch(route, { method: "POST", body: JSON.stringify({ message }) });
    await say("/api/chat/stream", "first");
    const { id } = server.messages[0] ?? { id: "" };
    await say(`/api/messages/${id}/edit`, "other");
    Element.prototype.scrollIntoView = () => undefined;
    open(server, `/c/c/${id}`);
    await screen.findByText("echo: first");
    expect(screen.queryByText("echo: other")).toBeNull();
    expect(document.activeElement).toHaveTextContent("first");
    expect(server.requests.filter(({ request }) => request.startsWith("PATCH"))).toHaveLength(1);
  });

  it("stops an answer by Escape", async () => {
    const server = new FakeConversations({ holds: true });
    const { user, field } = open(server);
    await user.type(field(), "hi{Enter}");
    await screen.findByText("echo: hi");
    await user.keyboard("{Escape}");
    await waitFor(() => expect(server.isStopped).toBe(true));
  });

  it("tells the composer when a text can be sent again, and not before", async () => {
    const server = new FakeConversations({ holds: true });
    const onReady = vi.fn();
    const take = () => Promise.resolve({ text: "hi", isWhole: true });
    const draft = { isEmpty: false, take, restore: () => undefined, focus: () => undefined };
    const { user } = open(server, "/", { draft, field: null, microphone: null, onReady });
    await user.click(screen.getByRole("button", { name: "Send" }));
    await screen.findByText("echo: hi");
    const before = onReady.mock.calls.length;
    await user.click(screen.getByRole("button", { name: "Stop the answer" }));
    await waitFor(() => expect(onReady.mock.calls.length).toBe(before + 1));
  });

  it("does not call back who has left while the conversation is made, nor keeps them from writing", async () => {
    const server = new FakeConversations();
    const { user, history, navigate, field } = open(server);
    const release = server.hold("POST /api/conversations");
    await user.type(field(), "hi{Enter}");
    expect(screen.getByRole("button", { name: "Waiting for the server…" })).toBeDisabled();
    act(() => navigate("/c/nowhere"));
    await user.type(field(), "and another");
    expect(screen.queryByRole("button", { name: "Waiting for the server…" })).toBeNull();
    release();
    await waitFor(() => expect(server.messages.map(({ content }) => content)).toEqual(["hi", "echo: hi"]));
    expect(history.at(-1)).toBe("/c/nowhere");
    expect(field()).toHaveValue("and another");
  });

  it("shows the chosen model at once, and sends with it", async () => {
    const server = new FakeConversations();
    const { user, field } = open(server);
    await user.type(field(), "hi{Enter}");
    await screen.findByRole("button", { name: "Answer again" });
    server.hold("PATCH /api/conversations/c");
    await user.selectOptions(await screen.findByRole("combobox"), "echo");
    expect(screen.getByRole("combobox")).toHaveValue("echo");
    await user.type(field(), "more{Enter}");
    await waitFor(() => expect(server.messages).toHaveLength(4));
    const sent = server.requests.findLast(({ request }) => request === "POST /api/chat/stream");
    expect(sent?.body).toMatchObject({ message: "more", model: "echo" });
  });

  it("asks no more for an answer whose conversation is gone", async () => {
    const server = new FakeConversations({ holds: true });
    await server.fetch("/api/conversations", { method: "POST" });
    await server.fetch("/api/chat/stream", { method: "POST", body: '{"message":"hi"}' });
    open(server, "/c/c");
    await screen.findByText(/no such conversation|not there/i);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.requests.filter(({ request }) => request.includes("/api/chat/stream/"))).toHaveLength(1);
    expect(answers()).toEqual([]);
  });

  it("copies the last answer by its key, and says so", async () => {
    const { user, field } = open(new FakeConversations());
    await user.type(field(), "hi{Enter}");
    await screen.findByRole("button", { name: "Answer again" });
    await user.keyboard("{Alt>}c{/Alt}");
    await waitFor(async () => expect(await navigator.clipboard.readText()).toBe("echo: hi"));
    expect(services.toasts.get().at(-1)?.text).toBe("Copied");
  });

  describe("keeps a half-written edit", () => {
    const field = () => screen.findByRole("textbox", { name: "Edit your message" });

    /** The button that edits the last message, once the answer to it is over. */
    const findEdit = () =>
      waitFor(() => {
        const button = screen.getAllByRole("button", { name: "Edit" }).at(-1)!;
        expect(button).toBeEnabled();
        return button;
      });

    /** A conversation with one question, whose edit is half-written; the page is `open`ed at it. */
    async function halfWritten() {
      const server = new FakeConversations();
      await server.fetch("/api/conversations", { method: "POST" });
      const say = (route: string, message: string) =>
        server.fetch(route, { method: "POST", body: JSON.stringify({ message }) });
      await say("/api/chat/stream", "hi");
      const page = open(server, "/c/c");
      await page.user.click(await findEdit());
      await page.user.type(await field(), " the");
      return { server, say, ...page };
    }

    it("where another conversation or the settings were visited, or the page was loaded again", async () => {
      const { server, navigate } = await halfWritten();
      act(() => navigate("/c/nowhere"));
      await screen.findByText(/no such conversation/);
      act(() => navigate("/c/c"));
      expect(await field()).toHaveValue("hi the");
      expect(screen.getByRole("textbox", { name: "Your message" })).toHaveFocus();
      cleanup();
      services = createTestServices(); // as after a reload: what is stored is all there is
      open(server, "/c/c");
      expect(await field()).toHaveValue("hi the");
    });

    it("where another tab edits the same message, and says so", async () => {
      const { server, say, user } = await halfWritten();
      await say(`/api/messages/${server.messages[0]?.id}/edit`, "hi from afar");
      await act(() => services.queryClient.invalidateQueries());
      expect(await screen.findByText(/a newer version of this message/)).toBeVisible();
      expect(await field()).toHaveValue("hi the");
      await user.type(await field(), "re{Enter}");
      await waitFor(() => expect(answers()[0]).toContain("echo: hi there"));
      expect(await screen.findByRole("group", { name: "Version 3 of 3" })).toBeVisible();
      expect(screen.queryByRole("textbox", { name: "Edit your message" })).toBeNull();
    });

    it("of a branch that is not shown, and leads there", async () => {
      const { server, say, user } = await halfWritten();
      await user.keyboard("{Escape}");
      await user.type(screen.getByRole("textbox", { name: "Your message" }), "second{Enter}");
      await waitFor(() => expect(answers()).toHaveLength(2));
      await user.click(await findEdit());
      await user.type(await field(), " half");
      await say(`/api/messages/${server.messages[0]?.id}/edit`, "hi from afar");
      await act(() => services.queryClient.invalidateQueries());
      await user.click(await screen.findByRole("button", { name: "Show it" }));
      expect(await field()).toHaveValue("second half");
    });

    it("in the field of a conversation that was deleted elsewhere, which offers no Send", async () => {
      const { server, user, history } = await halfWritten();
      await user.type(screen.getByRole("textbox", { name: "Your message" }), "draft");
      server.deleteAll();
      await act(() => services.queryClient.invalidateQueries());
      expect(await screen.findByText("What you wrote is still in the field.")).toBeVisible();
      expect(screen.queryByRole("button", { name: "Send" })).toBeNull();
      const composer = screen.getByRole("textbox", { name: "Your message" });
      expect(composer).toHaveValue("hi the\ndraft");
      await user.type(composer, "{Enter}");
      expect(server.requests.filter(({ request }) => request === "POST /api/chat/stream")).toHaveLength(1);
      await user.click(screen.getByRole("button", { name: "Take the text to a new conversation" }));
      expect(history.at(-1)).toBe("/");
      expect(composer).toHaveValue("hi the\ndraft");
      expect(screen.getByRole("button", { name: "Send" })).toBeEnabled();
    });
  });

  it("says that a conversation is gone, and offers a new one", async () => {
    const { user, history } = open(new FakeConversations(), "/c/nowhere");
    await screen.findByText(/no such conversation/);
    await user.click(screen.getByRole("button", { name: "Start a new one" }));
    expect(history.at(-1)).toBe("/");
  });
});
