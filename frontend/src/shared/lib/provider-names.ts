/** What people call the engines and models of the server: "Whisper base, on this computer, 100 languages". */
import type { TFunction } from "i18next";

import type { LlmProvider, SttProvider } from "../api/types";
import { nameFromIdentifier, nameModel } from "./model-names";

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\]|.*\.localhost)$/;
/** The provider that a request may name an address for; it has no name of its own. */
const ANY_SERVICE = "openai_compat";

type AnyProvider = LlmProvider | SttProvider;

/** The name with the place of the work, for a list. */
export function nameProvider(t: TFunction, item: AnyProvider): string {
  const what = nameWhat(t, item);
  if (item.type === "mock" || item.status !== "ready" || ("assistant" in item && item.assistant)) return what;
  const languages = item.note?.params?.["languages"];
  const parts = [what, namePlace(t, item)];
  if (typeof languages === "number") parts.push(t("names.languages", { count: languages }));
  return parts.join(", ");
}

/** The name alone: the model where there is one, else the product. */
export function nameWhat(t: TFunction, item: AnyProvider): string {
  if ("assistant" in item && item.assistant) return item.assistant.title;
  const product =
    item.title || (item.name === ANY_SERVICE ? t("names.otherService") : nameFromIdentifier(item.name));
  if (item.type === "mock") return `${t("names.test")}: ${product}`;
  if (!item.model || item.status === "not_configured") return product;
  if (!("capabilities" in item)) return nameModel(item.model);
  return item.title ? `${item.title} ${nameCheckpoint(item.model)}` : nameModel(item.model);
}

/** A checkpoint of speech; that it knows only English is said beside its name. */
export function nameCheckpoint(name: string): string {
  return name.replace(/\.en$/, "");
}

/** Where the work is done. The page may be open on another computer than the server's. */
export function namePlace(t: TFunction, item: AnyProvider, pageHost = location.hostname): string {
  if ("connection" in item && item.connection) return t("names.from", { title: item.connection.title });
  if (!item.host) return t(LOOPBACK.test(pageHost) ? "names.here" : "names.onServer");
  return item.title && item.type === "cloud"
    ? t("names.from", { title: item.title })
    : t("names.at", { host: item.host });
}

/** The heading of a provider's models in a menu. */
export function nameGroup(t: TFunction, item: LlmProvider): string {
  if (item.type === "mock") return t("names.test");
  if (item.connection) return item.connection.title;
  const place = namePlace(t, item);
  const isInside = !item.title || item.name === "llama_local";
  const named = isInside
    ? place
    : item.host && item.type === "cloud"
      ? item.title
      : `${item.title}, ${place}`;
  return named.charAt(0).toLocaleUpperCase() + named.slice(1);
}
