/** Drafts: each conversation finds its own again, also after a reload; nobody finds another's. */

import { beforeEach, describe, expect, it } from "vitest";

import { ComposerStore } from "./composer/composer-store";
import { Drafts } from "./drafts";

let owner = "ada";

/** A page: what it begins with is what an earlier one has left. */
function page(conversation: string | null = null) {
  const composer = new ComposerStore();
  const drafts = new Drafts(composer, sessionStorage, () => owner);
  drafts.show(conversation, false);
  const type = (text: string) => composer.dispatch({ type: "typed", text, caret: { start: 0, end: 0 } });
  return { composer, drafts, type, text: () => composer.get().text };
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
    drafts.show("c1", false);
    expect(text()).toBe("");
    type("for the first");
    drafts.show("c2", false);
    drafts.show(null, false);
    expect(text()).toBe("for a new one");
    expect(page("c1").text()).toBe("for the first");
  });

  it("goes along while somebody dictates into it, behind what was there", () => {
    const { drafts, type, text } = page("c2");
    type("left before");
    drafts.show("c1", false);
    type("being said");
    drafts.show("c2", true);
    expect(text()).toBe("left before\nbeing said");
    expect(page("c1").text()).toBe("");
  });

  it("goes along to the conversation that its first message makes, and only there", () => {
    const { drafts, composer, type, text } = page();
    type("first");
    drafts.handleTaken();
    composer.dispatch({ type: "sent" });
    type("the next");
    drafts.show("made", false);
    expect(text()).toBe("the next");
    drafts.show(null, false);
    expect(text()).toBe("");
    drafts.handleTaken();
    type("it was not made");
    drafts.handleRestored();
    drafts.show("c1", false);
    expect(text()).toBe("");
  });

  it("is not shown to another user, and gone for good then", () => {
    page("c1").type("a secret of Ada's");
    owner = "bob";
    expect(page("c1").text()).toBe("");
    owner = "ada";
    expect(page("c1").text()).toBe("");
  });

  it("is not kept beyond a log-out; where only the session ended, the page still has it", () => {
    const { drafts, composer, type, text } = page("c1");
    type("before");
    drafts.pause();
    expect(sessionStorage.length).toBe(0);
    composer.dispatch({ type: "final", key: "d1.1:1", text: "while nobody is logged in" });
    expect(sessionStorage.length).toBe(0);
    expect(text()).toContain("before");
    drafts.resume();
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
    new Drafts(composer, full, () => owner).show(null, false);
    composer.dispatch({ type: "replaced", text: "typed all the same" });
    expect(composer.get().text).toBe("typed all the same");
  });

  it("is one of fifty at most: of the oldest is let go", () => {
    const { drafts, type } = page();
    for (let count = 0; count < 60; count += 1) {
      drafts.show(`c${count}`, false);
      type(`draft ${count}`);
    }
    expect([page("c9").text(), page("c10").text()]).toEqual(["", "draft 10"]);
  });
});
