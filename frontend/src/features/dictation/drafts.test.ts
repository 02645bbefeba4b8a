/** Drafts: each conversation finds its own again, also after a reload; nobody finds another's. */

import { beforeEach, describe, expect, it } from "vitest";

import { TabTexts } from "@/shared/lib/tab-texts";

import { ComposerStore } from "./composer/composer-store";
import { Drafts } from "./drafts";

let owner = "ada";

/** A page: what it begins with is what an earlier one has left. */
function page(conversation: string | null = null) {
  const composer = new ComposerStore();
  const texts = new TabTexts("prompter.drafts", sessionStorage, () => owner);
  const drafts = new Drafts(composer, texts);
  drafts.show(conversation);
  const type = (text: string) => composer.dispatch({ type: "typed", text, caret: { start: 0, end: 0 } });
  return { composer, drafts, texts, type, text: () => composer.get().text };
}

beforeEach(() => {
  sessionStorage.clear();
  owner = "ada";
});

describe("a draft", () => {
  it("is there after a reload, with the caret behind it, until it is sent", () => {
    page("c1").type("half a thought");
    const after = page("c1");
    expect(after.composer.get()).toMatchObject({ text: "half a thought", caret: { start: 14, end: 14 } });
    after.composer.dispatch({ type: "sent" });
    expect(page("c1").text()).toBe("");
    expect(sessionStorage.length).toBe(0);
  });

  it("keeps of what is being said all that will not change", () => {
    const { composer, type } = page();
    type("Note: ");
    composer.dispatch({ type: "caret_moved", caret: { start: 6, end: 6 } });
    composer.dispatch({ type: "partial", key: "d1.1:1", text: "milk and eggs pl", stable: "milk and" });
    expect(page().text()).toBe("Note: milk and");
    composer.dispatch({ type: "final", key: "d1.1:1", text: "Milk and eggs, please." });
    expect(page().text()).toBe("Note: Milk and eggs, please.");
  });

  it("belongs to one conversation", () => {
    const { drafts, type, text } = page();
    type("for a new one");
    drafts.show("c1");
    expect(text()).toBe("");
    type("for the first");
    drafts.show("c2");
    drafts.show(null);
    expect(text()).toBe("for a new one");
    expect(page("c1").text()).toBe("for the first");
  });

  it("keeps what is dictated in the conversation where that began, wherever its user looks meanwhile", () => {
    const { composer, drafts, type, text } = page("c2");
    type("left before");
    drafts.show("c1");
    type("Note:");
    composer.dispatch({ type: "caret_moved", caret: { start: 5, end: 5 } });
    composer.begin("d1");
    composer.dispatch({ type: "partial", key: "d1.1:1", text: "milk and", stable: "" });
    drafts.show("c2");
    composer.dispatch({ type: "final", key: "d1.1:1", text: "Milk and eggs." });
    composer.dispatch({ type: "final", key: "d1.1:2", text: "And bread." });
    expect(text()).toBe("left before");
    expect(page("c1").text()).toBe("Note: Milk and eggs. And bread.");
    drafts.show("c1");
    expect(text()).toBe("Note: Milk and eggs. And bread.");
    composer.dispatch({ type: "undo" });
    expect(text()).toBe("Note: Milk and eggs."); // its utterances are known, too
    drafts.show("c2");
    composer.dispatch({ type: "ended", dictation: "d1" });
    composer.dispatch({ type: "caret_moved", caret: { start: 11, end: 11 } });
    composer.begin("d2");
    composer.dispatch({ type: "final", key: "d2.1:1", text: "Here." });
    expect(text()).toBe("left before here.");
  });

  it("returns to its conversation where it could not be sent, not to the one that is shown by then", () => {
    const { composer, drafts, type, text } = page("c1");
    type("not sent");
    const taken = drafts.shown;
    drafts.handleTaken(taken);
    composer.dispatch({ type: "sent" });
    drafts.show("c2");
    type("of another");
    drafts.restore(taken, "not sent");
    expect(text()).toBe("of another");
    drafts.show("c1");
    expect(text()).toBe("not sent");
  });

  it("goes along to the conversation that its first message makes, and only there", () => {
    const { drafts, composer, type, text } = page();
    type("first");
    composer.begin("d1");
    drafts.handleTaken(drafts.shown);
    composer.dispatch({ type: "sent" });
    type("the next");
    drafts.show("made");
    expect(text()).toBe("the next");
    composer.dispatch({ type: "caret_moved", caret: { start: 8, end: 8 } });
    composer.dispatch({ type: "final", key: "d1.1:1", text: "words" });
    expect(text()).toBe("the next words");
    drafts.show(null);
    expect(text()).toBe("");
    const taken = drafts.shown;
    drafts.handleTaken(taken);
    type("it was not made");
    drafts.restore(taken, "");
    drafts.show("c1");
    expect(text()).toBe("");
  });

  it("is taken to a new conversation, before what waits there", () => {
    const { drafts, type, text } = page();
    type("waits");
    drafts.show("gone");
    type("homeless");
    drafts.moveShown(null);
    expect(text()).toBe("waits\nhomeless");
    drafts.show(null); // the page goes there
    expect(text()).toBe("waits\nhomeless");
    expect(page("gone").text()).toBe("");
  });

  it("is not shown to another user, and gone for good then", () => {
    page("c1").type("a secret of Ada's");
    owner = "bob";
    expect(page("c1").text()).toBe("");
    owner = "ada";
    expect(page("c1").text()).toBe("");
  });

  it("is not kept beyond a log-out; where only the session ended, the page still has it", () => {
    const { texts, composer, type, text } = page("c1");
    type("before");
    texts.pause();
    expect(sessionStorage.length).toBe(0);
    composer.dispatch({ type: "final", key: "d1.1:1", text: "while nobody is logged in" });
    expect(sessionStorage.length).toBe(0);
    expect(text()).toContain("before");
    texts.resume();
    expect(page("c1").text()).toBe(text());
  });

  it("does without a store that is broken, full or forbidden", () => {
    sessionStorage.setItem("prompter.drafts", "{{");
    expect(page("c1").text()).toBe("");
    sessionStorage.setItem("prompter.drafts", '{"owner":"ada","texts":{"c1":5}}');
    expect(page("c1").text()).toBe("");
    const full = {
      getItem: () => null,
      setItem: () => {
        throw new DOMException("", "QuotaExceededError");
      },
      removeItem: () => undefined,
    };
    const composer = new ComposerStore();
    new Drafts(composer, new TabTexts("prompter.drafts", full, () => owner)).show(null);
    composer.dispatch({ type: "replaced", text: "typed all the same" });
    expect(composer.get().text).toBe("typed all the same");
  });

  it("is one of fifty at most: of the oldest is let go", () => {
    const { drafts, type } = page();
    for (let count = 0; count < 60; count += 1) {
      drafts.show(`c${count}`);
      type(`draft ${count}`);
    }
    expect([page("c9").text(), page("c10").text()]).toEqual(["", "draft 10"]);
  });
});
