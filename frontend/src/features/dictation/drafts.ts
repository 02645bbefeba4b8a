/** The unsent text of each conversation. A dictation writes into the one where it began. */
import type { TabTexts } from "@/shared/lib/tab-texts";

import type { ComposerPage, ComposerStore } from "./composer/composer-store";
import { EMPTY, getSettledText } from "./composer/model";
import type { Dictation } from "./dictation";

/** The key of the conversation that the first message will create. */
export const NEW = "new";
/** So many texts are ready to be shown with their history of undo; the others are read from the storage. */
const MAX_PAGES = 50;

/** The text of one conversation. */
export interface Draft extends ComposerPage {
  key: string;
}

export class Drafts {
  /** By conversation; the one that was shown last is at the end. */
  readonly #drafts = new Map<string, Draft>();
  /** The draft that is shown; null before the first one. */
  #shown: Draft | null = null;
  /** The draft whose text was taken as the first message of a new conversation. */
  #creating: Draft | null = null;

  constructor(
    private readonly composer: ComposerStore,
    private readonly texts: TabTexts,
  ) {
    composer.subscribe((page) => this.#keep(page));
  }

  /** Another conversation is shown: put its draft into the composer. */
  show(conversationId: string | null): void {
    const key = conversationId ?? NEW;
    const before = this.#shown;
    if (key === before?.key) return;
    if (before === null) this.#adopt(key);
    else if (this.#creating === before && before.key === NEW) this.#move(before, key);
    else this.#open(key);
    this.#creating = null;
  }

  /** The text that is shown goes to another conversation, before the draft that is there. */
  moveShown(conversationId: string | null): void {
    if (this.#shown !== null) this.#move(this.#shown, conversationId ?? NEW);
  }

  /** The draft that is shown; null before the first one. */
  get shown(): Draft | null {
    return this.#shown;
  }

  /** The text of a draft is on its way. */
  handleTaken(draft: Draft | null): void {
    this.#creating = draft?.key === NEW ? draft : null;
  }

  /** Put back a text that was not sent where it came from, before what was written since. */
  restore(draft: Draft | null, unsent: string): void {
    if (this.#creating === draft) this.#creating = null;
    if (draft !== null && !this.#drafts.has(draft.key)) this.#drafts.set(draft.key, draft);
    prependText(this.composer, unsent, draft ?? undefined);
  }

  /** The conversation that a dictation writes to while another one is shown, or `NEW`; else null. */
  findElsewhere(dictation: Dictation): string | null {
    if (!dictation.isElsewhere()) return null;
    return [...this.#drafts.values()].find((one) => one === dictation.page)?.key ?? null;
  }

  /** Whether anything here is not sent. */
  get hasText(): boolean {
    const isBlank = ({ model }: ComposerPage): boolean => model.text.trim() === "";
    return this.texts.places().length > 0 || ![...this.#drafts.values()].every(isBlank);
  }

  /** The first conversation of this page: text that is there already stays, behind its draft. */
  #adopt(key: string): void {
    const { shown } = this.composer;
    const draft = Object.assign(shown, { key });
    this.#drafts.set(key, draft);
    this.#shown = draft;
    const kept = this.texts.get(key);
    if (shown.model.text === "") this.composer.dispatch({ type: "replaced", text: kept });
    else if (kept !== "") prependText(this.composer, kept, draft);
    else this.#keep(draft);
  }

  #open(key: string): void {
    const draft = this.#drafts.get(key) ?? { key, model: EMPTY };
    const isNew = !this.#drafts.delete(key);
    this.#drafts.set(key, draft);
    this.#shown = draft;
    this.#trim();
    if (isNew) this.composer.apply({ type: "replaced", text: this.texts.get(key) }, draft);
    this.composer.show(draft);
  }

  /** Move a draft with a dictation that writes to it, and show it. */
  #move(draft: Draft, key: string): void {
    const kept = this.#drafts.get(key)?.model.text ?? this.texts.get(key);
    this.#drafts.delete(draft.key);
    this.texts.set(draft.key, "");
    draft.key = key;
    this.#drafts.set(key, draft);
    this.#shown = draft;
    if (kept.trim() === "") this.#keep(draft);
    else prependText(this.composer, kept, draft);
  }

  #keep(page: ComposerPage): void {
    const draft = [...this.#drafts.values()].find((one) => one === page);
    if (draft !== undefined) this.texts.set(draft.key, getSettledText(draft.model));
  }

  #trim(): void {
    const idle = [...this.#drafts.values()].filter(
      (draft) => draft !== this.#shown && !this.composer.isDictated(draft),
    );
    const [oldest] = idle;
    if (oldest !== undefined && this.#drafts.size > MAX_PAGES) this.#drafts.delete(oldest.key);
  }
}

export interface TakenText {
  text: string;
  isWhole: boolean;
  /** The user has taken back what was not final: nothing is to be sent. */
  isCancelled?: boolean;
}

/**
 * Empty the composer and resolve to its text, once the last words are final or (`isWhole` false) cannot
 * become final any more. Where the user cancels meanwhile, the text stays, and what is resolved to is empty.
 *
 * @param isSettled all that was said is final: nothing is waited for
 */
export async function takeText(dictation: Dictation, isSettled = false): Promise<TakenText> {
  const { composer } = dictation;
  const page = composer.shown; // the user may go elsewhere before the last words are final
  const settled = isSettled || !composer.isDictated(page) ? "whole" : await dictation.settle();
  if (settled === "cancelled") return { text: "", isWhole: true, isCancelled: true };
  const { text } = page.model;
  composer.apply({ type: "sent" }, page);
  return { text, isWhole: settled === "whole" };
}

/** Put back a text that was not sent, before what was written since. */
export function prependText(composer: ComposerStore, unsent: string, page = composer.shown): void {
  const { text, caret } = page.model;
  const head = text.trim() === "" ? unsent : `${unsent}\n`;
  const by = head.length;
  // As an edit of the user: open utterances move along.
  composer.apply({ type: "typed", text: head + text, caret: { start: by, end: by } }, page);
  composer.apply({ type: "caret_moved", caret: { start: caret.start + by, end: caret.end + by } }, page);
}

/** Write a text in place of what is selected, with the spaces that set it apart. */
export function insertText(composer: ComposerStore, text: string, page = composer.shown): void {
  const { text: before, caret } = page.model;
  const [head, tail] = [before.slice(0, caret.start), before.slice(caret.end)];
  const [gapBefore, gapAfter] = [/\S$/u.test(head) ? " " : "", /^\S/u.test(tail) ? " " : ""];
  const written = `${head}${gapBefore}${text}`;
  const at = { start: written.length, end: written.length };
  composer.apply({ type: "typed", text: `${written}${gapAfter}${tail}`, caret: at }, page);
}
