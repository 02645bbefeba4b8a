/** Holds the composed text for the whole page: it remains while components come and go. */

import { type ComposerModel, EMPTY } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

const ENGINE_ACTIONS: ReadonlySet<ComposerAction["type"]> = new Set([
  "partial",
  "final",
  "restarted",
  "ended",
  "cancelled",
]);

export class ComposerStore {
  #model: ComposerModel = EMPTY;
  #isComposing = false;
  #deferred: ComposerAction[] = [];
  readonly #listeners = new Set<() => void>();

  readonly get = (): ComposerModel => this.#model;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly dispatch = (action: ComposerAction): void => {
    if (this.#isComposing && ENGINE_ACTIONS.has(action.type)) this.#deferred.push(action);
    else this.#apply(action);
  };

  /** While an input method composes a character, dictated text is deferred: the field must not change. */
  readonly setComposing = (isComposing: boolean): void => {
    this.#isComposing = isComposing;
    if (!isComposing) this.#deferred.splice(0).forEach((action) => this.#apply(action));
  };

  #apply(action: ComposerAction): void {
    this.#model = composerReducer(this.#model, action);
    this.#listeners.forEach((listener) => listener());
  }
}
