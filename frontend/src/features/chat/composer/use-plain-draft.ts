/** A draft that is only typed: for tests, and where nothing dictates. */
import { useMemo, useRef, useState } from "react";

import type { Draft } from "./draft";

export function usePlainDraft() {
  const [text, setText] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const draft = useMemo<Draft>(
    () => ({
      isEmpty: text.trim() === "",
      take: () => {
        setText("");
        return Promise.resolve({ text, whole: true });
      },
      restore: (back) => setText((now) => (now.trim() === "" ? back : `${back}\n${now}`)),
      focus: () => field.current?.focus(),
    }),
    [text],
  );
  return { draft, text, setText, field };
}
