/** The field of the composed text: a textarea over a layer that shows which words may still change. */

import {
  type ChangeEvent,
  Fragment,
  type KeyboardEvent,
  type Ref,
  type RefObject,
  useEffect,
  useImperativeHandle,
  useLayoutEffect,
  useRef,
  useSyncExternalStore,
} from "react";

import { isComposing } from "@/shared/lib/keyboard";

import type { ComposerStore } from "./composer-store";
import { type ComposerModel, splitPieces, type TextPiece } from "./model";

export interface ComposerFieldProps {
  composer: ComposerStore;
  /** Name for screen readers. */
  label: string;
  placeholder?: string;
  isDisabled?: boolean;
  /** Whether words that the engine doubts are marked. */
  marksDoubt: boolean;
  /** Called for all keys but undo and redo, which the field handles itself. */
  onKeyDown?: (event: KeyboardEvent<HTMLTextAreaElement>) => void;
  ref?: Ref<HTMLTextAreaElement>;
}

const STYLES: Record<TextPiece["kind"], string> = {
  typed: "",
  stable: "underline decoration-accent/60 decoration-2 underline-offset-4",
  unstable: "text-muted",
  doubt: "underline decoration-warn decoration-dotted decoration-2 underline-offset-4",
  // Without width, and out of the line: the words stay where the textarea has them.
  gap: "relative after:absolute after:-left-[3px] after:top-0.5 after:h-5 after:border-l-2 after:border-dotted after:border-warn",
};
/** Both layers must break their lines at the same places, and start each line on the side of its script. */
const LAYER =
  "[unicode-bidi:plaintext] col-start-1 row-start-1 m-0 w-full whitespace-pre-wrap break-words border-0 px-0 py-2 touch:py-2.5 short:py-1 font-sans text-base leading-6";

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
  marksDoubt,
  onKeyDown,
  ref,
}: ComposerFieldProps) {
  const { dispatch, setComposing } = composer;
  const model = useSyncExternalStore(composer.subscribe, composer.get);
  const field = useRef<HTMLTextAreaElement>(null);
  useImperativeHandle<HTMLTextAreaElement | null, HTMLTextAreaElement | null>(ref, () => field.current);
  useCaret(composer, model, field);
  // A field that unmounts while an input method composes gets no end of the composition.
  useEffect(() => () => setComposing(false), [setComposing]);

  const handleKey = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    const step = isComposing(event) ? null : findHistoryStep(event);
    if (step === null) return onKeyDown?.(event);
    event.preventDefault();
    dispatch({ type: step });
  };
  const handleChange = ({ target }: ChangeEvent<HTMLTextAreaElement>): void => {
    const caret = { start: target.selectionStart, end: target.selectionEnd };
    dispatch({ type: "typed", text: target.value, caret });
  };

  return (
    <div className="grid">
      <StyledText model={model} marksDoubt={marksDoubt} />
      <textarea
        ref={field}
        rows={1}
        dir="auto"
        data-composer=""
        aria-label={label}
        placeholder={placeholder}
        disabled={isDisabled}
        value={model.text}
        className={`${LAYER} resize-none overflow-hidden bg-transparent text-transparent caret-ink outline-none
          selection:bg-accent/30 selection:text-transparent placeholder:text-muted focus-visible:outline-none`}
        onChange={handleChange}
        onCompositionStart={() => setComposing(true)}
        onCompositionEnd={() => setComposing(false)}
        onKeyDown={handleKey}
      />
    </div>
  );
}

/** The layer behind the textarea, in which the text is visible. */
function StyledText({ model, marksDoubt }: { model: ComposerModel; marksDoubt: boolean }) {
  const getStyle = (kind: TextPiece["kind"]): string =>
    STYLES[kind === "doubt" && !marksDoubt ? "typed" : kind];
  return (
    <div
      aria-hidden
      dir="auto"
      className={`${LAYER} pointer-events-none z-10 text-ink`}
      data-testid="composer-pieces"
    >
      {splitPieces(model).map((piece, index) => (
        <Fragment key={index}>
          {piece.text.slice(0, leadingSpace(piece))}
          <span data-kind={piece.kind} className={getStyle(piece.kind)}>
            {piece.text.slice(leadingSpace(piece))}
          </span>
        </Fragment>
      ))}
      {"\u200b"}
    </div>
  );
}

/** Keep the caret of the textarea and that of the model the same. */
function useCaret(
  composer: ComposerStore,
  model: ComposerModel,
  field: RefObject<HTMLTextAreaElement | null>,
): void {
  useLayoutEffect(() => {
    const element = field.current;
    const { start, end } = model.caret;
    if (element === null || (element.selectionStart === start && element.selectionEnd === end)) return;
    element.setSelectionRange(start, end);
    const box = element.parentElement?.parentElement;
    if (box && end === model.text.length) box.scrollTop = box.scrollHeight;
  }, [field, model]);

  // Not React's onSelect: it misses a caret that is moved by touch.
  useEffect(() => {
    const handleSelection = (): void => {
      const element = field.current;
      const { text, caret } = composer.get();
      if (element === null || document.activeElement !== element || element.value !== text) return;
      const { selectionStart: start, selectionEnd: end } = element;
      if (start !== caret.start || end !== caret.end)
        composer.dispatch({ type: "caret_moved", caret: { start, end } });
    };
    document.addEventListener("selectionchange", handleSelection);
    return () => document.removeEventListener("selectionchange", handleSelection);
  }, [composer, field]);
}

/** The keys of undo and redo: the browser's own history does not know dictated text. */
function findHistoryStep({ key, ctrlKey, metaKey, shiftKey, altKey }: KeyboardEvent): "undo" | "redo" | null {
  if (!(ctrlKey || metaKey) || altKey) return null;
  if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return key.toLowerCase() === "y" && !shiftKey ? "redo" : null;
}
