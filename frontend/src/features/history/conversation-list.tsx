/** The list of conversations by age; also while it is loading, empty, or could not be read. */
import { MessagesSquare } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Conversation } from "@/shared/api/types";
import { EmptyState } from "@/shared/ui/empty-state";

import { groupByAge } from "./age-groups";
import { ConversationRow } from "./conversation-row";
import { useHiddenConversations } from "./deletions-context";
import { useConversations, useRename } from "./queries";

interface ListProps {
  currentId: string | null;
  onOpen: () => void;
  onDelete: (conversation: Conversation) => void;
}

export function ConversationList({ currentId, onOpen, onDelete }: ListProps) {
  const { t } = useTranslation();
  const { conversations, isPending, isError, refetch, hasNextPage, fetchNextPage, isFetchingNextPage } =
    useConversations(useHiddenConversations());
  const rename = useRename();
  if (isPending) return <Skeleton />;
  if (isError && conversations.length === 0) {
    return (
      <div role="alert" className="space-y-3 px-3 py-6 text-center text-sm text-muted">
        <p>{t("history.failed")}</p>
        <button type="button" className="button" onClick={() => void refetch()}>
          {t("common.retry")}
        </button>
      </div>
    );
  }
  if (conversations.length === 0) return <NoConversations onOpen={onOpen} />;
  return (
    <>
      {groupByAge(conversations, new Date()).map(({ age, conversations: group }, index) => (
        <section key={`${age} ${index}`} aria-label={t(`history.${age}`)}>
          <h2 className="px-3 pb-1 pt-3 text-xs font-medium text-muted">{t(`history.${age}`)}</h2>
          <ul className="space-y-0.5">
            {group.map((conversation) => (
              <li key={conversation.id}>
                <ConversationRow
                  conversation={conversation}
                  isCurrent={conversation.id === currentId}
                  onOpen={onOpen}
                  onDelete={() => onDelete(conversation)}
                  onRename={(title) => rename.mutate({ id: conversation.id, title })}
                />
              </li>
            ))}
          </ul>
        </section>
      ))}
      {hasNextPage && (
        <button
          type="button"
          className="button mt-3 w-full"
          disabled={isFetchingNextPage}
          onClick={() => void fetchNextPage()}
        >
          {t("history.more")}
        </button>
      )}
    </>
  );
}

/** The press leads to the field, also from the page that has it. */
function NoConversations({ onOpen }: Pick<ListProps, "onOpen">) {
  const { t } = useTranslation();
  const begin = (): void => {
    onOpen();
    setTimeout(() => document.querySelector<HTMLElement>("[data-composer]")?.focus());
  };
  return (
    <EmptyState Icon={MessagesSquare} title={t("history.empty.title")} text={t("history.empty.text")}>
      <Link href="/" className="button min-h-11" onClick={begin}>
        {t("history.empty.begin")}
      </Link>
    </EmptyState>
  );
}

function Skeleton() {
  const { t } = useTranslation();
  return (
    <div role="status" aria-label={t("common.loading")} className="animate-pulse space-y-2 px-1 pt-4">
      {["w-11/12", "w-8/12", "w-10/12", "w-7/12"].map((width) => (
        <div key={width} className={`h-8 rounded-lg bg-raised ${width}`} />
      ))}
    </div>
  );
}
