/** All keys on one sheet, which `?` opens. */
import { Keyboard } from "lucide-react";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";

import { Modal } from "@/shared/ui/modal";

import { isText } from "./use-chat-keys";

/** Each key by its name in `chat.keyboard.keys`, or as it is. */
const SHEET = {
  everywhere: [
    ["sheet", ["?"]],
    ["compose", ["/"]],
    ["newChat", ["alt", "N"]],
    ["again", ["alt", "R"]],
    ["copyAnswer", ["alt", "C"]],
    ["escape", ["escape"]],
  ],
  writing: [
    ["send", ["enter"]],
    ["newLine", ["shift", "enter"]],
    ["editLast", ["up"]],
    ["undo", ["ctrl", "Z"]],
  ],
  speaking: [["talk", ["space"]]],
} as const;

const NAMED = ["shift", "enter", "escape", "space", "up", "ctrl", "alt"] as const;
type Named = (typeof NAMED)[number];

/** Mounted once; `?` opens it, outside text fields. */
export function KeyboardSheet() {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== "?" || event.defaultPrevented || isText(event.target)) return;
      event.preventDefault();
      setOpen((open) => !open);
    };
    const asked = (): void => setOpen(true);
    addEventListener("keydown", pressed);
    addEventListener(ASKED, asked);
    return () => {
      removeEventListener("keydown", pressed);
      removeEventListener(ASKED, asked);
    };
  }, []);
  return isOpen ? <Sheet onClose={() => setOpen(false)} /> : null;
}

const ASKED = "prompter:keyboard";

/** Opens the sheet for who has no `?` at hand. */
export function KeyboardButton() {
  const { t } = useTranslation();
  return (
    <button
      type="button"
      className="button-quiet"
      aria-label={t("chat.keyboard.open")}
      title={t("chat.keyboard.open")}
      onClick={() => dispatchEvent(new Event(ASKED))}
    >
      <Keyboard size={18} aria-hidden />
    </button>
  );
}

function Sheet({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation();
  const groups = Object.keys(SHEET) as (keyof typeof SHEET)[];
  return (
    <Modal title={t("chat.keyboard.title")} onClose={onClose}>
      <div className="space-y-5">
        {groups.map((group) => (
          <section key={group} aria-labelledby={`keys-${group}`}>
            <h3
              id={`keys-${group}`}
              className="mb-1 text-xs font-semibold uppercase tracking-wide text-muted"
            >
              {t(`chat.keyboard.groups.${group}`)}
            </h3>
            <dl className="divide-y divide-line text-sm">
              {SHEET[group].map(([what, keys]) => (
                <div key={what} className="flex items-center justify-between gap-4 py-2">
                  <dt>{t(`chat.keyboard.${what}`)}</dt>
                  <dd className="flex shrink-0 gap-1">
                    {keys.map((key) => (
                      <kbd
                        key={key}
                        className="rounded-md border border-line bg-raised px-2 py-0.5 font-sans text-xs"
                      >
                        {isNamed(key) ? t(`chat.keyboard.keys.${key}`) : key}
                      </kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Modal>
  );
}

const isNamed = (key: string): key is Named => (NAMED as readonly string[]).includes(key);
