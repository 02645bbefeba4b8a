/** Above the field while nothing can answer: a way to a model in two steps. */
import { Plug } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { isUsable, useLanguageModels } from "@/shared/api/providers";
import type { LlmProvider } from "@/shared/api/types";
import { nameWhat } from "@/shared/lib/provider-names";

import { LazyConnectDialog } from "./lazy-connect-dialog";

/** More would be a list, which the picker is. */
const MOST_NAMED = 3;

interface Props {
  /** The model that is asked; "" is the server's choice. */
  model: string;
  onModel: (model: string) => void;
}

export function ConnectCard({ model, onModel }: Props) {
  const { t } = useTranslation();
  const { data } = useLanguageModels();
  const [isOpen, setOpen] = useState(false);
  if (!isOpen && (data === undefined || model !== "" || isModelChosen(data.items))) return null;
  const others = (data?.items ?? []).filter((item) => isModel(item) && isUsable(item)).slice(0, MOST_NAMED);
  const isEcho = data?.items.some((item) => item.default) ?? false;
  return (
    <div className="mx-auto mb-2 w-full max-w-3xl px-3 sm:px-4">
      <section
        aria-label={t("connect.cardTitle")}
        className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-2xl border border-accent/60 bg-accent/10 px-4 py-3 text-sm"
      >
        <Plug size={20} aria-hidden className="shrink-0 text-accent" />
        <p className="min-w-0 flex-1 basis-56">
          <strong className="font-semibold">{t("connect.cardTitle")}.</strong>{" "}
          {isEcho && t("connect.cardEcho")} {t("connect.cardText")}
        </p>
        <div className="flex flex-wrap gap-2">
          {others.map((item) => (
            <button
              key={item.name}
              type="button"
              className="button min-h-11"
              onClick={() => onModel(item.name)}
            >
              {t("connect.use", { name: nameWhat(t, item) })}
            </button>
          ))}
          <button type="button" className="button-brand min-h-11" onClick={() => setOpen(true)}>
            {t("connect.open")}
          </button>
        </div>
      </section>
      {isOpen && <LazyConnectDialog onConnected={onModel} onClose={() => setOpen(false)} />}
    </div>
  );
}

/** Whether a real model is to answer where none is named. The note of that model says where it cannot. */
function isModelChosen(items: readonly LlmProvider[]): boolean {
  return items.some((item) => (item.default || item.chosen) && item.type !== "mock");
}

function isModel(item: LlmProvider): boolean {
  return item.type !== "mock" && !item.assistant;
}
