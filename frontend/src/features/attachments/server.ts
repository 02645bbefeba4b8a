/** What attachments ask of the server: to take, follow and delete files, to hear recordings, who sees. */
import type { Attachment } from "@/shared/api/attachments";
import { ApiError } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { LlmProvider, ModelAbility, MySettings } from "@/shared/api/types";
import type { Settings } from "@/shared/lib/settings";
import type { Services } from "@/shared/services";

import type { AttachedFilesOptions, AttachmentLimits } from "./attached-files";
import { sendForm } from "./upload";

const PATH = "/api/attachments";
const HEAR_PATH = "/v1/audio/transcriptions";
const ABILITIES_STALE_MS = 30_000;

export const attachmentPath = (id: string, part = ""): string =>
  `${PATH}/${encodeURIComponent(id)}${part && `/${part}`}`;

type Server = Omit<AttachedFilesOptions, "texts" | "wait">;

export function openServer(services: Services): Server {
  const { api, session, settings } = services;
  return {
    send: async (file, key, { signal, onPart }) => {
      const form = new FormData();
      form.set("file", file, file.name);
      const headers = { "Idempotency-Key": key };
      return JSON.parse(await sendForm(session, { path: PATH, form, headers, signal, onPart })) as Attachment;
    },
    hear: async (file, { signal, onPart, onHeard }) => {
      const form = buildHearing(file, settings.get());
      const onAnswer = (answer: string): void => onHeard(readProgress(answer));
      return readWords(await sendForm(session, { path: HEAR_PATH, form, signal, onPart, onAnswer }));
    },
    readLimits: () => readLimits(services),
    read: (id) => api.json<Attachment>(attachmentPath(id)),
    remove: async (id) => void (await api.response(attachmentPath(id), { method: "DELETE" })),
    seesImages: (model) => seesImages(services, model),
  };
}

/** Null where the server does not say: it refuses what is too much. */
async function readLimits({ api }: Services): Promise<AttachmentLimits | null> {
  try {
    const { attachment_files: files, attachment_bytes: bytes } = await api.json<MySettings>("/api/settings");
    return { files, bytes };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null;
  }
}

/** A recording is heard as a dictation would be: in the languages that are spoken, with the chosen engine. */
export function buildHearing(file: File, settings: Settings): FormData {
  const { spokenLangs, sttProvider, sttModel, vocabulary } = settings;
  const form = new FormData();
  form.set("stream", "true");
  const engine = [sttProvider, sttModel].filter(Boolean).join("/");
  if (sttProvider !== "") form.set("model", engine);
  const [only] = spokenLangs;
  if (only !== undefined && spokenLangs.length === 1) form.set("language", only);
  else spokenLangs.forEach((lang) => form.append("languages[]", lang));
  vocabulary.forEach((term) => form.append("keywords[]", term));
  form.set("file", file, file.name);
  return form;
}

/** How much of a recording has been heard, by the last word of the server on it. */
export function readProgress(answer: string): number | null {
  const last = [...answer.matchAll(/^: progress (\{.*\})$/gm)].at(-1)?.[1];
  if (last === undefined) return null;
  const { done_s: done, duration_s: whole } = JSON.parse(last) as { done_s?: number; duration_s?: number };
  return done !== undefined && whole ? Math.min(done / whole, 1) : null;
}

/**
 * The whole text of a recording, out of the events of its hearing.
 *
 * @throws ApiError where it broke off
 */
export function readWords(answer: string): string {
  for (const [, data = ""] of answer.matchAll(/^data: (.*)$/gm)) {
    if (data === "[DONE]") continue;
    const event = JSON.parse(data) as { type?: string; text?: string; error?: { code?: string } };
    if (event.error !== undefined)
      throw new ApiError(event.error.code ?? "engine_failed", "it broke off", 200);
    if (event.type === "transcript.text.done") return event.text ?? "";
  }
  throw ApiError.unreachable();
}

export function abilitiesQuery({ api }: Pick<Services, "api">) {
  return {
    queryKey: keys.modelAbilities,
    queryFn: () => api.json<ModelAbility[]>("/api/models/abilities"),
    staleTime: ABILITIES_STALE_MS,
    retry: false,
  };
}

/** Whether a model sees pictures; null where nobody knows. "" is the server's choice. */
async function seesImages(services: Services, model: string): Promise<boolean | null> {
  const { api, queryClient } = services;
  try {
    const abilities = await queryClient.fetchQuery(abilitiesQuery(services));
    if (model.includes("/")) return findAbility(abilities, model);
    const { items } = await queryClient.fetchQuery({
      queryKey: keys.languageModels,
      queryFn: () => api.json<{ items: LlmProvider[] }>("/providers/llm"),
      staleTime: ABILITIES_STALE_MS,
    });
    const provider = items.find(({ name, chosen }) => (model === "" ? chosen : name === model));
    return findAbility(abilities, provider?.model ? `${provider.name}/${provider.model}` : model);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return null; // the server says why, if it refuses the message
  }
}

/** Null where the model is not among them. */
export function findAbility(abilities: readonly ModelAbility[], id: string): boolean | null {
  return abilities.find((each) => each.id === id)?.images ?? null;
}
