/** Lets the page be seen by whom the server lets in; asks to log in where it does not. */
import { useQueryClient } from "@tanstack/react-query";
import { Fragment, type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/errors";
import type { SessionState } from "@/shared/api/session";
import { Mark } from "@/shared/ui/brand";
import { useModal } from "@/shared/ui/modal";

import { LogInForm } from "./log-in-form";
import { LogInPage } from "./log-in-page";
import { useMe, useSessionState } from "./use-me";

export function Gate({ children }: { children: ReactNode }) {
  const me = useMe();
  const state = useSessionState();
  useReadAnew(state);
  const refused = me.error instanceof ApiError && me.error.status === 401 && !me.isFetching;
  if (me.data === undefined && (state === "out" || refused)) return <LogInPage />;
  if (me.data === undefined)
    return me.isError && !me.isFetching ? <Unreachable retry={() => void me.refetch()} /> : <Connecting />;
  return (
    <>
      <Fragment key={me.data.id}>{children}</Fragment>
      {state === "out" && <LogInAgain />}
    </>
  );
}

/** What was refused while nobody was logged in is asked again, also after a log-in on another page of this browser. */
function useReadAnew(state: SessionState): void {
  const client = useQueryClient();
  const before = useRef(state);
  useEffect(() => {
    if (before.current === "out" && state === "in") void client.invalidateQueries();
    before.current = state;
  }, [client, state]);
}

/** A session that ended while the page was in use: over the page, so that nothing typed or dictated is lost,
 * and before all of it, for somebody else may sit there now. */
function LogInAgain() {
  const { t } = useTranslation();
  const ref = useModal();
  return (
    <dialog
      ref={ref}
      aria-label={t("accounts.logIn")}
      onCancel={(event) => event.preventDefault()}
      className="w-[calc(100%-2rem)] max-w-sm rounded-2xl border border-line bg-surface p-6 text-ink shadow-2xl backdrop:bg-page"
    >
      <p className="mb-4 text-sm text-muted">{t("accounts.again")}</p>
      <LogInForm />
    </dialog>
  );
}

function Connecting() {
  const { t } = useTranslation();
  return (
    <div role="status" className="grid h-full place-items-center">
      <span className="flex animate-pulse flex-col items-center gap-3 text-sm text-muted">
        <Mark className="size-12" />
        {t("accounts.starting")}
      </span>
    </div>
  );
}

function Unreachable({ retry }: { retry: () => void }) {
  const { t } = useTranslation();
  return (
    <main className="grid h-full place-items-center p-4">
      <div role="alert" className="flex flex-col items-center gap-4 text-center">
        <Mark className="size-12 opacity-60" />
        <p>{t("common.unreachable")}</p>
        <button type="button" className="button-brand" onClick={retry}>
          {t("common.retry")}
        </button>
      </div>
    </main>
  );
}
