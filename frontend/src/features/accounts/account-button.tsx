/** The name of the user with a button that logs out; nothing on a server without accounts. */
import { LogOut } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { UnsentKind } from "@/shared/lib/unsent-work";
import { useServices } from "@/shared/services";
import { Modal } from "@/shared/ui/modal";

import { useLogOut, useMe } from "./use-me";

/** What would be lost. */
interface Losses {
  here: UnsentKind[];
  elsewhere: UnsentKind[];
}

export function AccountButton() {
  const { t } = useTranslation();
  const me = useMe();
  const logOut = useLogOut();
  const { unsent } = useServices();
  const [isAsking, setAsking] = useState(false);
  const [losses, setLosses] = useState<Losses | null>(null);
  /** Log out, after a question where something would be lost. */
  const start = async (): Promise<void> => {
    setAsking(true);
    const found = { here: unsent.find(), elsewhere: await unsent.findElsewhere() };
    setAsking(false);
    if (found.here.length + found.elsewhere.length === 0) logOut.mutate();
    else setLosses(found);
  };
  if (me.data?.mode !== "accounts") return null;
  return (
    <div className="flex items-center gap-2 px-1">
      <span
        aria-hidden
        className="grid size-7 shrink-0 place-items-center rounded-full bg-brand text-xs font-semibold uppercase text-on-fill"
      >
        {me.data.name.slice(0, 1)}
      </span>
      <span className="sr-only">{t("accounts.loggedInAs", { name: me.data.name })}</span>
      <span aria-hidden className="min-w-0 flex-1 truncate text-sm">
        {me.data.name}
      </span>
      <button
        type="button"
        className="button-quiet"
        aria-label={t("accounts.logOut")}
        title={t("accounts.logOut")}
        disabled={isAsking || logOut.isPending}
        onClick={() => void start()}
      >
        <LogOut size={17} aria-hidden />
      </button>
      {losses && (
        <LogOutQuestion losses={losses} onStay={() => setLosses(null)} onLogOut={() => logOut.mutate()} />
      )}
    </div>
  );
}

const LOSSES = {
  here: {
    text: "accounts.lossTextHere",
    dictation: "accounts.lossDictationHere",
    speech: "accounts.lossSpeech",
  },
  elsewhere: {
    text: "accounts.lossTextElsewhere",
    dictation: "accounts.lossDictationElsewhere",
    speech: "accounts.lossSpeech",
  },
} as const;

interface QuestionProps {
  losses: Losses;
  onStay: () => void;
  onLogOut: () => void;
}

function LogOutQuestion({ losses, onStay, onLogOut }: QuestionProps) {
  const { t } = useTranslation();
  const kinds = (["here", "elsewhere"] as const).flatMap((place) =>
    losses[place].map((kind) => LOSSES[place][kind]),
  );
  const told = [...new Set(kinds)];
  return (
    <Modal title={t("accounts.logOutSure")} onClose={onStay} className="max-w-md">
      {told.map((text) => (
        <p key={text} className="mb-2">
          {t(text)}
        </p>
      ))}
      <p className="text-muted">{t("accounts.logOutLoses")}</p>
      <div className="mt-5 flex flex-wrap justify-end gap-2">
        <button type="button" className="button min-h-11" onClick={onLogOut}>
          {t("accounts.logOutAnyway")}
        </button>
        <button type="button" data-first className="button-brand min-h-11" onClick={onStay}>
          {t("accounts.stay")}
        </button>
      </div>
    </Modal>
  );
}
