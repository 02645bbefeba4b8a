/** One conversation in the sidebar: its link, and what can be done with it. */
import { Pencil, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "wouter";

import type { Conversation } from "@/shared/api/types";

import { RenameField } from "./rename-field";

interface RowProps {
  conversation: Conversation;
  current: boolean;
  onRename: (title: string) => void;
  onDelete: () => void;
  onOpen: () => void;
}

export function ConversationRow({ conversation, current, onRename, onDelete, onOpen }: RowProps) {
  const { t } = useTranslation();
  const [renaming, setRenaming] = useState(false);
  const { id, title } = conversation;
  if (renaming) {
    return (
      <RenameField
        title={title}
        onDone={(changed) => {
          setRenaming(false);
          if (changed !== null) onRename(changed);
        }}
      />
    );
  }
  return (
    <div
      className={`group relative flex items-center rounded-lg ${current ? "bg-raised" : "hover:bg-raised/60"}`}
    >
      <Link
        href={`/c/${id}`}
        aria-current={current ? "page" : undefined}
        onClick={onOpen}
        onKeyDown={(event) => {
          if (event.key === "F2") setRenaming(true);
          if (event.key === "Delete") onDelete();
        }}
        className="min-w-0 flex-1 truncate rounded-lg px-3 py-2 text-sm"
        title={title}
      >
        {title}
      </Link>
      <span className="flex shrink-0 pr-1 [@media(hover:hover)]:sr-only [@media(hover:hover)]:group-focus-within:not-sr-only [@media(hover:hover)]:group-hover:not-sr-only">
        <RowButton label={t("history.renameOf", { title })} onClick={() => setRenaming(true)}>
          <Pencil size={15} aria-hidden />
        </RowButton>
        <RowButton label={t("history.deleteOf", { title })} onClick={onDelete}>
          <Trash2 size={15} aria-hidden />
        </RowButton>
      </span>
    </div>
  );
}

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
      aria-label={label}
      title={label}
      onClick={onClick}
      className="grid size-8 place-items-center rounded-md text-muted hover:bg-page hover:text-ink"
    >
      {children}
    </button>
  );
}
