/** The sidebar: a new conversation, the search, and the list of conversations. */
import { ListChecks, PanelLeftClose, Search, SquarePen, X } from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation, useRoute } from "wouter";

import { isComposing, isEscape } from "@/shared/lib/keyboard";
import { Brand } from "@/shared/ui/brand";
import { lazyPart } from "@/shared/ui/lazy-part";
import { enterList, useRovingFocus } from "@/shared/ui/roving-focus";

import { ConversationList } from "./conversation-list";
import { useDeleteConversation } from "./deletions-context";
import { useSearch } from "./queries";
import { SearchResults } from "./search-results";

const SelectionBar = lazyPart(async () => (await import("./selection-bar")).SelectionBar);

interface SidebarProps {
  onCollapse: () => void;
  /** Called when a page is opened, so that a drawer closes. */
  onOpen: () => void;
  /** Shown at the bottom: links and the account. */
  footer: ReactNode;
}

export function Sidebar({ onCollapse, onOpen, footer }: SidebarProps) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState("");
  const search = useSearch(typed);
  const [, open] = useRoute("/c/:id/:messageId?");
  const remove = useRemove(open?.id ?? null);
  const list = useRovingFocus<HTMLElement>();
  const selecting = useRef<HTMLButtonElement>(null);
  const { selected, select, toggle } = useSelection();
  const endSelection = (): void => {
    select(null);
    selecting.current?.focus();
  };
  return (
    <div
      className="relative flex h-full flex-col low:overflow-y-auto"
      onKeyDown={(event) => {
        if (selected === null || !isEscape(event) || event.defaultPrevented) return;
        event.preventDefault(); // the drawer stays open
        event.stopPropagation();
        endSelection();
      }}
    >
      <div className="flex items-center justify-between px-3 pb-2 pt-3">
        <Link
          href="/"
          onClick={onOpen}
          className="flex min-h-target items-center rounded-lg px-1"
          aria-label={`PROMPTer: ${t("history.new")}`}
        >
          <Brand />
        </Link>
        <button
          ref={selecting}
          type="button"
          className="button-quiet ml-auto"
          aria-label={t("exports.select")}
          title={t("exports.select")}
          aria-pressed={selected !== null}
          onClick={() => (selected === null ? select(new Set()) : endSelection())}
        >
          <ListChecks size={18} aria-hidden />
        </button>
        <button
          type="button"
          className="button-quiet"
          aria-label={t("history.collapse")}
          title={t("history.collapse")}
          onClick={onCollapse}
        >
          <PanelLeftClose size={18} aria-hidden />
        </button>
      </div>
      {selected !== null && <SelectionBar selected={selected} onChange={select} onEnd={endSelection} />}
      <div className={`space-y-2 px-3 pb-2 ${selected !== null ? "hidden" : ""}`}>
        <Link href="/" onClick={onOpen} className="button w-full">
          <SquarePen size={16} aria-hidden />
          {t("history.new")}
        </Link>
        <SearchField typed={typed} onType={setTyped} onDown={() => enterList(list.current)} />
      </div>
      <nav
        ref={list}
        aria-label={t("history.region")}
        className="relative min-h-0 flex-1 overflow-y-auto px-2 pb-2 low:shrink-0 low:overflow-visible"
      >
        {search.words !== "" && typed.trim() !== "" && selected === null ? (
          search.data && (
            <SearchResults
              hits={search.data}
              words={search.words}
              onOpen={onOpen}
              onClear={() => {
                setTyped("");
                document.querySelector<HTMLInputElement>("input[type=search]")?.focus();
              }}
            />
          )
        ) : (
          <ConversationList
            currentId={open?.id ?? null}
            onOpen={onOpen}
            onDelete={remove}
            selected={selected}
            onToggle={toggle}
          />
        )}
      </nav>
      <div className="border-t border-line p-2">{footer}</div>
    </div>
  );
}

/** Which conversations are selected; null while none can be. */
function useSelection() {
  const [selected, select] = useState<ReadonlySet<string> | null>(null);
  const toggle = (id: string): void => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    select(next);
  };
  return { selected, select, toggle };
}

/** Deletes a conversation. The open one gives way to a new one, and is open again once that is undone. */
function useRemove(openId: string | null): (conversation: { id: string; title: string }) => void {
  const [place, go] = useLocation();
  const remove = useDeleteConversation();
  const current = useRef(place);
  useEffect(() => void (current.current = place));
  return (conversation) => {
    const isOpen = conversation.id === openId;
    remove(conversation, () => {
      if (isOpen && current.current === "/") go(place); // who has gone elsewhere since stays there
    });
    if (isOpen) go("/");
  };
}

interface SearchFieldProps {
  typed: string;
  onType: (typed: string) => void;
  /** Moves the focus to what is below; false where there is nothing. */
  onDown: () => boolean;
}

function SearchField({ typed, onType, onDown }: SearchFieldProps) {
  const { t } = useTranslation();
  return (
    <div className="relative">
      <Search size={15} aria-hidden className="pointer-events-none absolute left-3 top-3 text-muted" />
      <input
        type="search"
        className="field px-9 [&::-webkit-search-cancel-button]:hidden"
        aria-label={t("history.searchHint")}
        placeholder={t("history.search")}
        maxLength={500}
        value={typed}
        onChange={(event) => onType(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" && !isComposing(event) && onDown()) event.preventDefault();
          if (!isEscape(event) || typed === "") return;
          event.stopPropagation();
          event.preventDefault();
          onType("");
        }}
      />
      {typed !== "" && (
        <button
          type="button"
          className="absolute inset-y-0 right-0 grid w-target place-items-center rounded-md text-muted hover:text-ink"
          aria-label={t("history.clearSearch")}
          onClick={() => onType("")}
        >
          <X size={15} aria-hidden />
        </button>
      )}
    </div>
  );
}
