/** The stored dictations of the user: the list, or one of them. */
import { ArrowLeft, AudioLines, Mic } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { StoredDictation } from "@/shared/api/types";
import { chooseLocale } from "@/shared/lib/formats";
import { EmptyState } from "@/shared/ui/empty-state";
import { Notice } from "@/shared/ui/notice";
import { PageHeader } from "@/shared/ui/page-header";

import { DictationDetail, type RenderRedo } from "./dictation-detail";
import { DictationState } from "./dictation-state";
import { useStoredDictations } from "./queries";

interface DictationsPageProps {
  /** Null shows the list. */
  dictationId: string | null;
  /** Begin to dictate. */
  onBegin: () => void;
  renderRedo: RenderRedo;
}

export function DictationsPage({ dictationId, onBegin, renderRedo }: DictationsPageProps) {
  const { t } = useTranslation();
  return (
    <section aria-label={t("history.dictations.title")} className="flex min-h-0 flex-1 flex-col">
      <PageHeader>
        {dictationId !== null && (
          <Link href="/dictations" className="button-quiet" aria-label={t("history.dictations.back")}>
            <ArrowLeft size={18} aria-hidden />
          </Link>
        )}
        <h1 className="px-1 text-sm font-semibold">{t("history.dictations.title")}</h1>
      </PageHeader>
      <div className="relative min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto w-full max-w-3xl px-3 py-6 sm:px-4">
          {dictationId === null ? (
            <DictationList onBegin={onBegin} />
          ) : (
            <DictationDetail id={dictationId} renderRedo={renderRedo} />
          )}
        </div>
      </div>
    </section>
  );
}

function DictationList({ onBegin }: Pick<DictationsPageProps, "onBegin">) {
  const { t } = useTranslation();
  const { data, isError, isPending, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useStoredDictations();
  if (isPending)
    return (
      <p role="status" className="text-sm text-muted">
        {t("common.loading")}
      </p>
    );
  if (isError) return <Notice text={t("history.dictations.failed")} onRetry={() => void refetch()} />;
  const dictations = data.pages.flatMap((page) => page.items);
  if (dictations.length === 0)
    return (
      <EmptyState
        Icon={AudioLines}
        title={t("history.dictations.empty.title")}
        text={t("history.dictations.empty.text")}
      >
        <button type="button" className="button-brand min-h-11" onClick={onBegin}>
          <Mic size={16} aria-hidden />
          {t("history.dictations.empty.begin")}
        </button>
      </EmptyState>
    );
  return (
    <>
      <p className="mb-4 text-sm text-muted">{t("history.dictations.lead")}</p>
      <ul className="space-y-2">
        {dictations.map((dictation) => (
          <li key={dictation.id}>
            <DictationRow dictation={dictation} />
          </li>
        ))}
      </ul>
      {hasNextPage && (
        <button
          type="button"
          className="button mt-4"
          disabled={isFetchingNextPage}
          onClick={() => void fetchNextPage()}
        >
          {t("history.dictations.more")}
        </button>
      )}
    </>
  );
}

function DictationRow({ dictation }: { dictation: StoredDictation }) {
  const { t, i18n } = useTranslation();
  return (
    <Link
      href={`/dictations/${dictation.id}`}
      className="block rounded-xl border border-line bg-surface px-4 py-3 transition-colors hover:border-accent hover:bg-raised"
    >
      <span className="line-clamp-2 break-words" lang={dictation.lang ?? undefined}>
        {dictation.text}
      </span>
      <span className="mt-1 flex flex-wrap gap-x-3 text-xs text-muted">
        <time dateTime={dictation.started_at}>
          {new Date(dictation.started_at).toLocaleString(chooseLocale(i18n.language), {
            dateStyle: "medium",
            timeStyle: "short",
          })}
        </time>
        <span>{t("history.dictations.finals", { count: dictation.finals })}</span>
        <DictationState dictation={dictation} />
      </span>
    </Link>
  );
}
