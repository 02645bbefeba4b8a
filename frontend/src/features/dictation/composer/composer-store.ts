/** Holds the composed text for the whole page: it outlives the component that shows it. */

import { type ComposerModel, EMPTY } from "./model";
import { type ComposerAction, composerReducer } from "./reducer";

const FROM_ENGINE: ReadonlySet<ComposerAction["type"]> = new Set([
  "partial",
  "final",
  "restarted",
  "ended",
  "cancelled",
]);

export class ComposerStore {
  #model: ComposerModel = EMPTY;
  #isComposing = false;
  #kept: ComposerAction[] = [];
  readonly #listeners = new Set<() => void>();

  readonly get = (): ComposerModel => this.#model;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly dispatch = (action: ComposerAction): void => {
    if (this.#isComposing && FROM_ENGINE.has(action.type)) this.#kept.push(action);
    else this.#apply(action);
  };

  /** While an input method composes a character its text must not be touched: what is dictated is kept back. */
  readonly setComposing = (isComposing: boolean): void => {
    this.#isComposing = isComposing;
    if (!isComposing) this.#kept.splice(0).forEach((action) => this.#apply(action));
  };

  #apply(action: ComposerAction): void {
    this.#model = composerReducer(this.#model, action);
    this.#listeners.forEach((listener) => listener());
  }
}
