/** Asks before pictures go to a model that cannot see them: without them, to another model, or not at all. */
import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useTranslation } from "react-i18next";

import { useModelChoices } from "@/shared/api/model-choices";
import { nameModel } from "@/shared/lib/model-names";
import { useServices } from "@/shared/services";
import { Modal } from "@/shared/ui/modal";

import type { PictureQuestion } from "./attached-files";
import { abilitiesQuery, findAbility } from "./server";

interface Props {
  question: PictureQuestion;
  /** How many pictures there are. */
  count: number;
}

export function PictureQuestionDialog({ question: { model, answer }, count }: Props) {
  const { t } = useTranslation();
  const others = useModelsThatSee(model);
  const [chosen, setChosen] = useState("");
  const selectId = useId();
  const { defaultName } = useModelChoices(model);
  const other = chosen || (others[0]?.[0] ?? "");
  return (
    <Modal title={t("attachments.blind.title")} onClose={() => answer({ kind: "cancel" })}>
      <p>{t("attachments.blind.text", { count, model: model === "" ? defaultName : nameModel(model) })}</p>
      {others.length > 0 ? (
        <div className="mt-4 grid gap-2">
          <label htmlFor={selectId} className="text-sm">
            {t("attachments.blind.others")}
          </label>
          <div className="flex flex-wrap gap-2">
            <select
              id={selectId}
              className="field w-auto min-w-0 flex-1 basis-48"
              value={other}
              onChange={(event) => setChosen(event.target.value)}
            >
              {others.map(([id, name]) => (
                <option key={id} value={id}>
                  {name}
                </option>
              ))}
            </select>
            <button
              type="button"
              className="button-brand"
              onClick={() => answer({ kind: "model", model: other })}
            >
              {t("attachments.blind.use")}
            </button>
          </div>
        </div>
      ) : (
        <p className="mt-2 text-sm text-muted">{t("attachments.blind.none")}</p>
      )}
      <div className="mt-5 flex flex-wrap justify-end gap-2 border-t border-line pt-4">
        <button type="button" className="button" data-first onClick={() => answer({ kind: "cancel" })}>
          {t("common.cancel")}
        </button>
        <button type="button" className="button" onClick={() => answer({ kind: "without" })}>
          {t("attachments.blind.without", { count })}
        </button>
      </div>
    </Modal>
  );
}

/** The models that can be chosen and see pictures, by their names. */
function useModelsThatSee(model: string): (readonly [id: string, name: string])[] {
  const services = useServices();
  const { data: abilities = [] } = useQuery(abilitiesQuery(services));
  const { groups } = useModelChoices(model);
  return groups
    .flatMap(({ label, models }) => models.map(([id, name]) => [id, `${name} (${label})`] as const))
    .filter(([id]) => id !== model && findAbility(abilities, id) === true);
}
