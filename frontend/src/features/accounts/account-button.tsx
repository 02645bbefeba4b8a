/** The name of the user with a button that logs out; nothing on a server without accounts. */
import { LogOut } from "lucide-react";
import { useTranslation } from "react-i18next";

import { useLogOut, useMe } from "./use-me";

export function AccountButton() {
  const { t } = useTranslation();
  const me = useMe();
  const logOut = useLogOut();
  if (me.data?.mode !== "accounts") return null;
  return (
    <div className="flex items-center gap-2 px-1">
      <span
        aria-hidden
        className="grid size-7 shrink-0 place-items-center rounded-full bg-brand text-xs font-semibold uppercase text-white"
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
        disabled={logOut.isPending}
        onClick={() => logOut.mutate()}
      >
        <LogOut size={17} aria-hidden />
      </button>
    </div>
  );
}
