/** What can be done with the conversations that are selected in the list: take all, export them, end. */
import { X } from "lucide-react";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";

import { MOST_SELECTED } from "@/shared/lib/exporting";
import { useServices } from "@/shared/services";
import { ExportForm } from "@/shared/ui/export-form";

import { useHiddenConversations } from "./deletions-context";
import { useConversations } from "./queries";

export interface SelectionBarProps {
  selected: ReadonlySet<string>;
  onChange: (selected: ReadonlySet<string>) => void;
  onEnd: () => void;
}

export function SelectionBar({ selected, onChange, onEnd }: SelectionBarProps) {
  const { t } = useTranslation();
  const { conversations } = useConversations(useHiddenConversations());
  const { announcements } = useServices();
  const count = selected.size;
  const text = t("exports.selected", { count });
  const isTooMany = count > MOST_SELECTED;
  useEffect(() => announcements.say(text, "selection"), [announcements, text]);
  const hasAll = count > 0 && conversations.every(({ id }) => selected.has(id));
  return (
    <section aria-label={t("exports.select")} className="space-y-2 border-b border-line px-3 pb-3">
      <div className="flex items-center gap-1">
        <p className="min-w-0 flex-1 whitespace-nowrap px-1 text-sm font-medium tabular-nums">{text}</p>
        <button
          type="button"
          className="button-quiet text-accent"
          onClick={() => onChange(hasAll ? new Set() : new Set(conversations.map(({ id }) => id)))}
        >
          {t(hasAll ? "exports.selectNone" : "exports.selectAll")}
        </button>
        <button
          type="button"
          className="button-quiet"
          aria-label={t("exports.end")}
          title={t("exports.end")}
          onClick={onEnd}
        >
          <X size={16} aria-hidden />
        </button>
      </div>
      <ExportForm what={{ ids: [...selected] }} isDisabled={count === 0 || isTooMany} />
      <p className="px-1 text-xs text-muted">
        {isTooMany ? t("exports.tooMany", { count: MOST_SELECTED }) : t("exports.selectHint")}
      </p>
    </section>
  );
}
