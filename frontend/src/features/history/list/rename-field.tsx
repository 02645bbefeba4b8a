/** A title while it is changed: Enter or leaving keeps it, Escape does not. */
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";

/** The server's limit (characters). */
const LONGEST = 200;

export function RenameField({ title, onDone }: { title: string; onDone: (changed: string | null) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(title);
  const done = useRef(false);
  const end = (keep: boolean) => {
    if (done.current) return;
    done.current = true;
    const changed = typed.trim();
    onDone(keep && changed !== "" && changed !== title ? changed : null);
  };
  return (
    <input
      autoFocus
      className="field"
      aria-label={t("history.renameOf", { title })}
      maxLength={LONGEST}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      onFocus={(event) => event.target.select()}
      onBlur={() => end(true)}
      onKeyDown={(event) => {
        if (event.key === "Enter" && !event.nativeEvent.isComposing) end(true);
        if (event.key === "Escape") {
          event.stopPropagation();
          end(false);
        }
      }}
    />
  );
}
