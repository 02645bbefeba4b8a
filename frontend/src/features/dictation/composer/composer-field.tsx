/** The field of the composed text: a textarea over a layer that shows which words may still change. */

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
import { splitPieces, type TextPiece } from "./model";

export interface ComposerFieldProps {
  composer: ComposerStore;
  /** Name for screen readers. */
  label: string;
  placeholder?: string;
  isDisabled?: boolean;
  /** Called for all keys but undo and redo, which the field handles itself. */
  onKeyDown?: (event: KeyboardEvent<HTMLTextAreaElement>) => void;
  ref?: Ref<HTMLTextAreaElement>;
}

const STYLES: Record<TextPiece["kind"], string> = {
  typed: "",
  stable: "underline decoration-accent/60 decoration-2 underline-offset-4",
  unstable: "text-muted opacity-80",
};
/** Both layers must break their lines at the same places, and start each line on the side of its script. */
const LAYER =
  "[unicode-bidi:plaintext] col-start-1 row-start-1 m-0 w-full whitespace-pre-wrap break-words border-0 p-0 font-sans text-base leading-6";

/**
 * The length of the space before underlined words: an underlined space would show at the end of the line
 * above.
 */
const leadingSpace = ({ kind, text }: TextPiece): number =>
  kind === "stable" ? text.length - text.trimStart().length : 0;

/** Grows with its text up to the `max-h-*` of its parent, which then scrolls. */
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

  // A field that unmounts while an input method composes gets no end of the composition.
  useEffect(() => () => setComposing(false), [setComposing]);

  // Not React's onSelect: it misses a caret that is moved by touch.
  useEffect(() => {
    const handleSelection = (): void => {
      const field = own.current;
      const { text, caret } = composer.get();
      if (field === null || document.activeElement !== field || field.value !== text) return;
      const { selectionStart: start, selectionEnd: end } = field;
      if (start !== caret.start || end !== caret.end)
        dispatch({ type: "caret_moved", caret: { start, end } });
    };
    document.addEventListener("selectionchange", handleSelection);
    return () => document.removeEventListener("selectionchange", handleSelection);
  }, [composer, dispatch]);

  const handleKey = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    const step = historyStep(event);
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
        {splitPieces(model).map((piece, index) => (
          <Fragment key={index}>
            {piece.text.slice(0, leadingSpace(piece))}
            <span data-kind={piece.kind} className={STYLES[piece.kind]}>
              {piece.text.slice(leadingSpace(piece))}
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
        onKeyDown={handleKey}
      />
    </div>
  );
}

/** The keys of undo and redo: the browser's own history does not know dictated text. */
function historyStep({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): "undo" | "redo" | null {
  if (!(ctrlKey || metaKey) || altKey) return null;
  if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return key.toLowerCase() === "y" && !shiftKey ? "redo" : null;
}
