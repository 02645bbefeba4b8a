/** A place in a queue as a person says it. */
import type { TFunction } from "i18next";

/** @param place 1 is next */
export function nameQueued(place: number, t: TFunction): string {
  return place <= 1 ? t("common.queuedNext") : t("common.queued", { count: place, ordinal: true });
}
