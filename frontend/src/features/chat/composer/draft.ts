/** What the chat asks of whoever holds the text being composed, typed or dictated. */
export interface Draft {
  readonly isEmpty: boolean;
  /**
   * The text, after the last words of a dictation have become final, or soon enough without them (`whole` false:
   * it is what stood on the screen). The field is empty afterwards.
   */
  take: () => Promise<{ text: string; whole: boolean }>;
  /** Text that was not sent comes back, before what was written since. */
  restore: (text: string) => void;
  focus: () => void;
}
