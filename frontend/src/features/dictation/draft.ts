/** The composed text on its way out of the field, and back where it could not be sent. */

import type { ComposerStore } from "./composer/composer-store";
import type { Dictation } from "./dictation";

/** The text once its last words are final, or soon enough without them (`whole` false); the field is empty then. */
export async function takeText(dictation: Dictation): Promise<{ text: string; whole: boolean }> {
  const whole = await dictation.settle();
  const { text } = dictation.composer.get();
  dictation.composer.dispatch({ type: "sent" });
  return { text, whole };
}

/** Puts a text before what was written since. */
export function restoreText({ composer }: Dictation, back: string): void {
  putBefore(composer, back);
}

export function putBefore(composer: ComposerStore, back: string): void {
  const { text, caret } = composer.get();
  const head = text.trim() === "" ? back : `${back}\n`;
  const by = head.length;
  // As an edit of the user's: utterances that go on move along.
  composer.dispatch({ type: "typed", text: head + text, caret: { start: by, end: by } });
  composer.dispatch({ type: "caret_moved", caret: { start: caret.start + by, end: caret.end + by } });
}
