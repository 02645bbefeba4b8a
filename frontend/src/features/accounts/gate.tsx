/** Shows the app to users whom the server lets in, and a log-in to all others. */
import { useQueryClient } from "@tanstack/react-query";
import { Fragment, type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { ApiError } from "@/shared/api/client";
import type { AuthState } from "@/shared/api/session";
import { Mark } from "@/shared/ui/brand";
import { useModal } from "@/shared/ui/modal";

import { LogInForm, LogInPage } from "./log-in";
import { useAuthState, useMe } from "./use-me";

export function Gate({ children }: { children: ReactNode }) {
  const me = useMe();
  const state = useAuthState();
  useRefetchAfterLogIn(state);
  const isRefused = me.error instanceof ApiError && me.error.status === 401 && !me.isFetching;
  if (me.data === undefined && (state === "out" || isRefused)) return <LogInPage />;
  if (me.data === undefined)
    return me.isError && !me.isFetching ? <Unreachable onRetry={() => void me.refetch()} /> : <Connecting />;
  return (
    <>
      <Fragment key={me.data.id}>{children}</Fragment>
      {state === "out" && <LogInAgain />}
    </>
  );
}

/**
 * Repeat all queries after a log-in, also one in another tab: they were refused while nobody was logged in.
 */
function useRefetchAfterLogIn(state: AuthState): void {
  const client = useQueryClient();
  const previous = useRef(state);
  useEffect(() => {
    if (previous.current === "out" && state === "in") void client.invalidateQueries();
    previous.current = state;
  }, [client, state]);
}

/**
 * The log-in after a session that ended while the page was in use. It lies over the page, so that nothing
 * typed or dictated is lost, and covers it completely, because another person may sit there now.
 */
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

function Unreachable({ onRetry }: { onRetry: () => void }) {
  const { t } = useTranslation();
  return (
    <main className="grid h-full place-items-center p-4">
      <div role="alert" className="flex flex-col items-center gap-4 text-center">
        <Mark className="size-12 opacity-60" />
        <p>{t("common.unreachable")}</p>
        <button type="button" className="button-brand" onClick={onRetry}>
          {t("common.retry")}
        </button>
      </div>
    </main>
  );
}
