/** One conversation in the sidebar: its link, and buttons to rename and delete it. */
import { Pencil, Square, SquareCheck, Trash2 } from "lucide-react";
import { memo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Conversation } from "@/shared/api/types";
import { isEnter, isEscape } from "@/shared/lib/keyboard";

interface RowProps {
  conversation: Conversation;
  isCurrent: boolean;
  onRename: (id: string, title: string) => void;
  onDelete: (conversation: Conversation) => void;
  onOpen: () => void;
}

/** Rendered again only where something of it has changed: there may be thousands. */
export const ConversationRow = memo(function ConversationRow(props: RowProps) {
  const { conversation, isCurrent, onRename, onDelete, onOpen } = props;
  const { t } = useTranslation();
  const [isRenaming, setRenaming] = useState(false);
  const { id, title } = conversation;
  if (isRenaming) {
    return (
      <div data-entry-row>
        <RenameField
          title={title}
          onDone={(changed) => {
            setRenaming(false);
            if (changed !== null) onRename(id, changed);
          }}
        />
      </div>
    );
  }
  return (
    <div
      data-entry-row
      className={`group relative flex items-center rounded-lg ${isCurrent ? "bg-raised" : "hover:bg-raised/60"}`}
    >
      <Link
        data-entry
        href={`/c/${id}`}
        aria-current={isCurrent ? "page" : undefined}
        onClick={onOpen}
        onKeyDown={(event) => {
          if (event.key === "F2") setRenaming(true);
          if (event.key === "Delete") onDelete(conversation);
        }}
        className="flex min-h-target min-w-0 flex-1 items-center rounded-lg px-3 py-2 text-sm"
        title={title}
      >
        <span className="truncate">{title}</span>
      </Link>
      <span className="flex shrink-0 pr-1 [@media(hover:hover)]:sr-only [@media(hover:hover)]:group-focus-within:not-sr-only [@media(hover:hover)]:group-hover:not-sr-only">
        <RowButton label={t("history.renameOf", { title })} onClick={() => setRenaming(true)}>
          <Pencil size={15} aria-hidden />
        </RowButton>
        <RowButton label={t("history.deleteOf", { title })} onClick={() => onDelete(conversation)}>
          <Trash2 size={15} aria-hidden />
        </RowButton>
      </span>
    </div>
  );
});

interface SelectableRowProps {
  conversation: Conversation;
  isSelected: boolean;
  onToggle: (id: string) => void;
}

/** A conversation while some are selected. A button, since the arrow keys of the list leave fields alone. */
export const SelectableRow = memo(function SelectableRow({ conversation, ...props }: SelectableRowProps) {
  const { isSelected, onToggle } = props;
  const { id, title } = conversation;
  const Icon = isSelected ? SquareCheck : Square;
  return (
    <button
      type="button"
      role="checkbox"
      data-entry
      aria-checked={isSelected}
      title={title}
      onClick={() => onToggle(id)}
      className={`flex min-h-target w-full items-center gap-2 rounded-lg px-3 py-2 text-left text-sm ${isSelected ? "bg-raised" : "hover:bg-raised/60"}`}
    >
      <Icon size={16} aria-hidden className={`shrink-0 ${isSelected ? "text-accent" : "text-muted"}`} />
      <span className="truncate">{title}</span>
    </button>
  );
});

function RowButton({
  label,
  onClick,
  children,
}: {
  label: string;
  onClick: () => void;
  children: React.ReactNode;
}) {
  return (
    <button
      type="button"
      data-entry-action
      aria-label={label}
      title={label}
      onClick={onClick}
      className="grid size-target place-items-center rounded-md text-muted hover:bg-page hover:text-ink"
    >
      {children}
    </button>
  );
}

/** The server's limit. */
const LONGEST_TITLE_CHARS = 200;

/** A title while it is edited: Enter or leaving the field keeps the change, Escape drops it. */
function RenameField({ title, onDone }: { title: string; onDone: (changed: string | null) => void }) {
  const { t } = useTranslation();
  const [typed, setTyped] = useState(title);
  const isDone = useRef(false);
  const finish = (keep: boolean) => {
    if (isDone.current) return;
    isDone.current = true;
    const changed = typed.trim();
    onDone(keep && changed !== "" && changed !== title ? changed : null);
  };
  return (
    <input
      autoFocus
      className="field"
      aria-label={t("history.renameOf", { title })}
      maxLength={LONGEST_TITLE_CHARS}
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
      onFocus={(event) => event.target.select()}
      onBlur={() => finish(true)}
      onKeyDown={(event) => {
        if (isEnter(event)) finish(true);
        if (isEscape(event)) {
          event.preventDefault(); // the drawer stays open
          event.stopPropagation();
          finish(false);
        }
      }}
    />
  );
}
