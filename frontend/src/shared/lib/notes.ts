/** What the server says by code, in the page's language. An unknown code becomes a plain sentence. */
import i18next, { type TFunction } from "i18next";

import type { notesEn } from "@/i18n/notes-en";

import { nameModel } from "./model-names";

/** A code of the server with its parameters. */
export interface Note {
  code: string;
  params?: Record<string, string | number>;
}

export function isNote(value: unknown): value is Note {
  return typeof value === "object" && value !== null && "code" in value && typeof value.code === "string";
}

/** Passing states: the page adds when to try again. */
const PASSING: ReadonlySet<string> = new Set([
  "too_many_attempts",
  "server_full",
  "rate_limit_exceeded",
  "upstream_loading",
  "ended_again",
]);
/** A code has no dot: it names one text, and none inside of another. */
const CODE = /^[a-z][a-z0-9_]*$/;
const LONGEST_IN_SECONDS = 90;

/** @param otherwise what is said of a code that this page does not know */
export function wordNote(t: TFunction, note: Note, otherwise = t("noteParts.unknown")): string {
  const { code, params = {} } = note;
  if (!isKnown(code) || lacksParam(t(`notes.${code}`, { skipInterpolation: true }), params)) return otherwise;
  const { model } = params;
  const text = t(
    `notes.${code}`,
    typeof model === "string" ? { ...params, model: nameModel(model) } : params,
  );
  if (PASSING.has(code)) return `${text} ${wordWait(t, params["seconds"])}`;
  if (code === "hears" && typeof params["percent"] === "number")
    return `${text} ${t("noteParts.accuracy", { percent: params["percent"] })}`;
  if (params["very_small"]) return `${text} ${t("noteParts.verySmall")}`;
  return text;
}

/** A refusal, an answer that broke off, or no response at all; answers of older servers have no note. */
export function wordError(t: TFunction, error: { code: string; note?: Note | null | undefined }): string {
  if (error.code === "unreachable") return t("common.unreachable");
  return wordNote(t, error.note ?? { code: error.code });
}

function wordWait(t: TFunction, seconds: string | number | undefined): string {
  if (typeof seconds !== "number") return t("noteParts.tryLater");
  if (seconds <= LONGEST_IN_SECONDS) return t("noteParts.trySeconds", { seconds });
  return t("noteParts.tryMinutes", { count: Math.ceil(seconds / 60) });
}

function lacksParam(text: string, params: Record<string, string | number>): boolean {
  return [...text.matchAll(/{{(\w+)}}/g)].some(([, name = ""]) => !Object.hasOwn(params, name));
}

function isKnown(code: string): code is keyof typeof notesEn {
  return CODE.test(code) && i18next.exists(`notes.${code}`);
}
