/** Holds the composed texts for the whole page: the one that is shown, and those that are dictated into. */

import { type ComposerModel, EMPTY } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

/** The text of one conversation, whether it is shown or not. */
export interface ComposerPage {
  model: ComposerModel;
}

type Listener = (changed: ComposerPage) => void;

const ENGINE_ACTIONS: ReadonlySet<ComposerAction["type"]> = new Set([
  "partial",
  "final",
  "restarted",
  "held",
  "released",
  "ended",
  "cancelled",
]);

export class ComposerStore {
  #shown: ComposerPage = { model: EMPTY };
  /** Where each dictation writes that has not ended. */
  readonly #dictations = new Map<string, ComposerPage>();
  #isComposing = false;
  #deferred: ComposerAction[] = [];
  readonly #listeners = new Set<Listener>();

  readonly get = (): ComposerModel => this.#shown.model;

  get shown(): ComposerPage {
    return this.#shown;
  }

  readonly subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Show another text. A dictation goes on in the text where it began. */
  show(page: ComposerPage): void {
    this.#shown = page;
    this.#notify(page);
  }

  /** A dictation begins: its words belong to the text that is shown now. */
  begin(dictation: string, page = this.#shown): void {
    this.#dictations.set(dictation, page);
  }

  /** Whether words of a dictation may still come into this text. */
  isDictated(page: ComposerPage): boolean {
    return [...this.#dictations.values()].includes(page);
  }

  /** The text that a dictation writes; null once it has ended. */
  pageOf(dictation: string): ComposerPage | null {
    return this.#dictations.get(dictation) ?? null;
  }

  readonly dispatch = (action: ComposerAction): void => {
    if (this.#isComposing && ENGINE_ACTIONS.has(action.type)) this.#deferred.push(action);
    else this.apply(action, this.#findPage(action));
  };

  /** Apply an action to a text that need not be the one that is shown. */
  apply(action: ComposerAction, page: ComposerPage): void {
    page.model = composerReducer(page.model, action);
    if (action.type === "ended") this.#dictations.delete(action.dictation);
    this.#notify(page);
  }

  /** While an input method composes a character, dictated text is deferred: the field must not change. */
  readonly setComposing = (isComposing: boolean): void => {
    this.#isComposing = isComposing;
    if (!isComposing) this.#deferred.splice(0).forEach((action) => this.dispatch(action));
  };

  #findPage(action: ComposerAction): ComposerPage {
    const dictation =
      "dictation" in action ? action.dictation : "key" in action ? action.key.split(".")[0] : undefined;
    return this.#dictations.get(dictation ?? "") ?? this.#shown;
  }

  #notify(changed: ComposerPage): void {
    this.#listeners.forEach((listener) => listener(changed));
  }
}
