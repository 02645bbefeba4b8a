/** The list of conversations by age, read on as one scrolls; also while it is loading, or empty. */
import { MessagesSquare } from "lucide-react";
import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Conversation } from "@/shared/api/types";
import { chooseLocale } from "@/shared/lib/formats";
import { useServices } from "@/shared/services";
import { EmptyState } from "@/shared/ui/empty-state";

import { groupByAge } from "./age-groups";
import { ConversationRow, SelectableRow } from "./conversation-row";
import { useHiddenConversations } from "./deletions-context";
import { FIRST_PAGE, useConversations, useRename } from "./queries";

interface ListProps {
  currentId: string | null;
  onOpen: () => void;
  onDelete: (conversation: Conversation) => void;
  /** The ids of those that are selected; null where none can be. */
  selected?: ReadonlySet<string> | null;
  onToggle?: (id: string) => void;
}

export function ConversationList({ currentId, selected = null, ...handlers }: ListProps) {
  const { onOpen, onDelete, onToggle } = handlers;
  const { t } = useTranslation();
  const list = useConversations(useHiddenConversations());
  const { conversations, isPending, isError, refetch, hasMore } = list;
  const rename = useRename();
  // The same functions for every render: a row is not rendered again because of another one.
  const latest = useRef({ onOpen, onDelete, onToggle, rename: rename.mutate });
  useEffect(() => void (latest.current = { onOpen, onDelete, onToggle, rename: rename.mutate }));
  const [act] = useState(() => ({
    open: () => latest.current.onOpen(),
    delete: (conversation: Conversation) => latest.current.onDelete(conversation),
    toggle: (id: string) => latest.current.onToggle?.(id),
    rename: (id: string, title: string) => latest.current.rename({ id, title }),
  }));
  const box = useRef<HTMLDivElement>(null);
  const { edge, press } = useReadingOn(box, list);
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
  if (conversations.length === 0 && !hasMore) return <NoConversations onOpen={onOpen} />;
  return (
    <div ref={box}>
      {groupByAge(conversations, new Date()).map(({ age, conversations: group }, index) => (
        <section key={`${age} ${index}`} aria-label={t(`history.${age}`)}>
          <h2 className="px-3 pb-1 pt-3 text-xs font-medium text-muted">{t(`history.${age}`)}</h2>
          <ul className="space-y-0.5">
            {group.map((conversation) => (
              <li key={conversation.id} data-conversation={conversation.id}>
                {selected !== null ? (
                  <SelectableRow
                    conversation={conversation}
                    isSelected={selected.has(conversation.id)}
                    onToggle={act.toggle}
                  />
                ) : (
                  <ConversationRow
                    conversation={conversation}
                    isCurrent={conversation.id === currentId}
                    onOpen={act.open}
                    onDelete={act.delete}
                    onRename={act.rename}
                  />
                )}
              </li>
            ))}
          </ul>
        </section>
      ))}
      <Count shown={conversations.length} total={list.total} />
      {hasMore && <ReadOn edge={edge} list={list} onPress={press} />}
    </div>
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

type List = ReturnType<typeof useConversations>;

/** How many there are: to be seen once they do not fit on one page, and read out as more arrive. */
function Count({ shown, total }: { shown: number; total: number | null }) {
  const { t, i18n } = useTranslation();
  const { announcements } = useServices();
  const write = (number: number): string => number.toLocaleString(chooseLocale(i18n.language));
  const counted = total ?? 0;
  const text =
    shown >= counted
      ? t("history.count", { count: counted, total: write(counted) })
      : t("history.countShown", { count: counted, shown: write(shown), total: write(counted) });
  const before = useRef({ shown, total });
  useEffect(() => {
    const hasReadOn = shown > before.current.shown && total === before.current.total;
    before.current = { shown, total };
    if (hasReadOn) announcements.say(text, "conversations");
  }, [shown, total, text, announcements]);
  if (total === null) return null;
  return (
    <p
      className={
        total <= FIRST_PAGE ? "sr-only" : "px-3 pb-1 pt-4 text-center text-xs tabular-nums text-muted"
      }
    >
      {text}
    </p>
  );
}

interface ReadOnProps {
  edge: RefObject<HTMLButtonElement | null>;
  list: List;
  onPress: () => void;
}

/** Stands at the end of what is known. */
function ReadOn({ edge, list, onPress }: ReadOnProps) {
  const { t } = useTranslation();
  const label = list.hasFailedToRead
    ? "common.retry"
    : list.isReadingMore
      ? "common.loading"
      : "history.more";
  return (
    <div className="px-1 pb-2 pt-2 text-center text-sm text-muted">
      {list.hasFailedToRead && (
        <p role="alert" className="pb-2">
          {t("history.failed")}
        </p>
      )}
      {/* Not disabled while it reads: that would lose the focus. */}
      <button
        ref={edge}
        type="button"
        data-entry
        className="button min-h-11 w-full"
        aria-disabled={list.isReadingMore}
        onClick={() => !list.isReadingMore && onPress()}
      >
        {t(label)}
      </button>
    </div>
  );
}

/** What follows is read this far before one arrives. */
const READ_AHEAD = "0px 0px 1200px 0px";

/**
 * Read on when the end of the list comes near. `edge` belongs to the button at that end; who presses it, or
 * has the focus there when it goes, goes on at the first conversation that is new.
 */
function useReadingOn(box: RefObject<HTMLElement | null>, list: List) {
  const edge = useRef<HTMLButtonElement>(null);
  /** The last conversation before the pressed button; null where none was pressed. */
  const [pressedAfter, setPressedAfter] = useState<string | null>(null);
  const lastId = list.conversations.at(-1)?.id ?? null;
  const { hasMore, isReadingMore, hasFailedToRead, readMore } = list;
  useEffect(() => {
    const button = edge.current;
    if (button === null || !hasMore || isReadingMore || hasFailedToRead) return;
    const handleEntries = (entries: readonly IntersectionObserverEntry[]): void => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      if (document.activeElement === button) setPressedAfter(lastId);
      readMore();
    };
    const options = { root: button.closest("nav"), rootMargin: READ_AHEAD };
    const observer = new IntersectionObserver(handleEntries, options);
    observer.observe(button);
    return () => observer.disconnect();
  }, [hasMore, isReadingMore, hasFailedToRead, readMore, lastId]);
  useLayoutEffect(() => {
    if (pressedAfter === null || pressedAfter === lastId) return;
    setPressedAfter(null);
    const links = [...(box.current?.querySelectorAll<HTMLElement>("[data-conversation] a") ?? [])];
    const before = links.findIndex((link) => link.closest(`[data-conversation="${pressedAfter}"]`) !== null);
    links[before + 1]?.focus();
  }, [box, pressedAfter, lastId]);
  const press = (): void => {
    setPressedAfter(lastId);
    readMore();
  };
  return { edge, press };
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
