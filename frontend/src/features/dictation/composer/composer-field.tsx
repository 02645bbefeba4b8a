/** The field that holds the composed text: a textarea, behind which the certain words are solid, the others faint. */

import {
  Fragment,
  type KeyboardEvent,
  type Ref,
  useEffect,
  useLayoutEffect,
  useRef,
  useSyncExternalStore,
} from "react";

import type { ComposerStore } from "./composer-store";
import { type Piece, piecesOf } from "./model";

export interface ComposerFieldProps {
  composer: ComposerStore;
  /** Name for screen readers. */
  label: string;
  placeholder?: string;
  isDisabled?: boolean;
  /** For what the field does not do itself: Enter to send, Escape. Undo and redo it does. */
  onKeyDown?: (event: KeyboardEvent<HTMLTextAreaElement>) => void;
  ref?: Ref<HTMLTextAreaElement>;
}

const LOOKS: Record<Piece["kind"], string> = {
  typed: "",
  stable: "underline decoration-accent/60 decoration-2 underline-offset-4",
  unstable: "text-muted opacity-80",
};
/** Both layers must break their lines alike, and begin them at the same side: each line has the direction of its text. */
const LAYER =
  "[unicode-bidi:plaintext] col-start-1 row-start-1 m-0 w-full whitespace-pre-wrap break-words border-0 p-0 font-sans text-base leading-6";

/** Characters of the space before underlined words, whose line would hang in the air at the end of the row above. */
const leadOf = ({ kind, text }: Piece): number =>
  kind === "stable" ? text.length - text.trimStart().length : 0;

/** Grows with its text up to the height of its parent's `max-h-*`, which scrolls. */
export function ComposerField({
  composer,
  label,
  placeholder,
  isDisabled,
  onKeyDown,
  ref,
}: ComposerFieldProps) {
  const { dispatch, setComposing } = composer;
  const model = useSyncExternalStore(composer.subscribe, composer.get);
  const own = useRef<HTMLTextAreaElement>(null);

  useLayoutEffect(() => {
    const field = own.current;
    const { start, end } = model.caret;
    if (field === null || (field.selectionStart === start && field.selectionEnd === end)) return;
    field.setSelectionRange(start, end);
    const box = field.parentElement?.parentElement;
    if (box && end === model.text.length) box.scrollTop = box.scrollHeight;
  }, [model]);

  // A field that goes away in the middle of a character does not hear of its end.
  useEffect(() => () => setComposing(false), [setComposing]);

  // Not React's onSelect: a finger that drags the caret is no key and no mouse, and React does not hear of it.
  useEffect(() => {
    const caretMoved = (): void => {
      const field = own.current;
      const { text, caret } = composer.get();
      if (field === null || document.activeElement !== field || field.value !== text) return;
      const { selectionStart: start, selectionEnd: end } = field;
      if (start !== caret.start || end !== caret.end)
        dispatch({ type: "caret_moved", caret: { start, end } });
    };
    document.addEventListener("selectionchange", caretMoved);
    return () => document.removeEventListener("selectionchange", caretMoved);
  }, [composer, dispatch]);

  const keyDown = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    const step = stepOf(event);
    if (step === null) return onKeyDown?.(event);
    event.preventDefault();
    dispatch({ type: step });
  };

  return (
    <div className="grid">
      <div
        aria-hidden
        dir="auto"
        className={`${LAYER} pointer-events-none z-10 min-h-6 text-ink`}
        data-testid="composer-pieces"
      >
        {piecesOf(model).map((piece, index) => (
          <Fragment key={index}>
            {piece.text.slice(0, leadOf(piece))}
            <span data-kind={piece.kind} className={LOOKS[piece.kind]}>
              {piece.text.slice(leadOf(piece))}
            </span>
          </Fragment>
        ))}
        {"\u200b"}
      </div>
      <textarea
        ref={(field) => {
          own.current = field;
          if (typeof ref === "function") ref(field);
          else if (ref) ref.current = field;
        }}
        rows={1}
        dir="auto"
        data-composer=""
        aria-label={label}
        placeholder={placeholder}
        disabled={isDisabled}
        value={model.text}
        className={`${LAYER} resize-none overflow-hidden bg-transparent text-transparent caret-ink outline-none
          selection:bg-accent/30 selection:text-transparent placeholder:text-muted focus-visible:outline-none`}
        onChange={({ target }) =>
          dispatch({
            type: "typed",
            text: target.value,
            caret: { start: target.selectionStart, end: target.selectionEnd },
          })
        }
        onCompositionStart={() => setComposing(true)}
        onCompositionEnd={() => setComposing(false)}
        onKeyDown={keyDown}
      />
    </div>
  );
}

/** Undo and redo as the browser has them; its own know nothing of what was dictated. */
function stepOf({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): "undo" | "redo" | null {
  if (!(ctrlKey || metaKey) || altKey) return null;
  if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return key.toLowerCase() === "y" && !shiftKey ? "redo" : null;
}
