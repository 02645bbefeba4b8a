/** The composed text of one composer: what is typed is in it at once, what is dictated waits for an open IME. */

import { useCallback, useMemo, useReducer, useRef } from "react";

import { EMPTY, isUnsettled, undoKind, type ComposerModel } from "./model";
import { composerReducer, type ComposerAction } from "./reducer";

export interface Composer {
  model: ComposerModel;
  text: string;
  /** Whether some of the text may still change by itself. */
  isUnsettled: boolean;
  undoKind: "utterance" | "typing" | null;
  dispatch: (action: ComposerAction) => void;
  /** While an input method composes a character its text must not be touched: what is dictated is kept back. */
  setComposing: (isComposing: boolean) => void;
  /** The text at this moment, for whoever has waited since the last rendering. */
  textNow: () => string;
}

const FROM_ENGINE: ReadonlySet<ComposerAction["type"]> = new Set(["partial", "final", "restarted", "ended"]);

export function useComposer(draft = ""): Composer {
  const [model, reduce] = useReducer(composerReducer, draft, (text) =>
    composerReducer(EMPTY, { type: "replaced", text }),
  );
  // Reduced twice, here for textNow and by React for the page: the reducer is pure.
  const latest = useRef(model);
  const isComposing = useRef(false);
  const kept = useRef<ComposerAction[]>([]);

  const apply = useCallback((action: ComposerAction): void => {
    latest.current = composerReducer(latest.current, action);
    reduce(action);
  }, []);

  const dispatch = useCallback(
    (action: ComposerAction): void => {
      if (isComposing.current && FROM_ENGINE.has(action.type)) kept.current.push(action);
      else apply(action);
    },
    [apply],
  );

  const setComposing = useCallback(
    (now: boolean): void => {
      isComposing.current = now;
      if (!now) kept.current.splice(0).forEach(apply);
    },
    [apply],
  );

  const textNow = useCallback(() => latest.current.text, []);
  return useMemo(
    () => ({
      model,
      text: model.text,
      isUnsettled: isUnsettled(model),
      undoKind: undoKind(model),
      dispatch,
      setComposing,
      textNow,
    }),
    [model, dispatch, setComposing, textNow],
  );
}
