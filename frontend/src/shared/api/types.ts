/** Short names for the types of the wire, from schema.d.ts, which `make types` generates from the server. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type ClientMessage = Schemas["ClientMessage"];
export type ServerEvent = Schemas["ServerEvent"];
export type Conversation = Schemas["ConversationOut"];
export type ConversationDetail = Schemas["ConversationDetailOut"];
export type Message = Schemas["MessageOut"];
export type Attachment = Schemas["AttachmentOut"];
export type ModelAbility = Schemas["ModelAbilitiesOut"];
export type ToolEvent = Schemas["ToolEventOut"];
export type StoredDictation = Schemas["DictationOut"];
export type StoredDictationDetail = Schemas["DictationDetailOut"];
export type DictationVersion = Schemas["VersionOut"];
export type DictationVersionDetail = Schemas["VersionDetailOut"];
export type StoredFinal = Schemas["StoredFinalOut"];
/** What a user decides, of `/api/settings`. */
export type MySettings = Schemas["SettingsOut"];
export type ApiKey = Schemas["KeyOut"];
export type NewApiKey = Schemas["NewKeyOut"];
export type SttProvider = Schemas["SttProviderOut"];
export type LlmProvider = Schemas["LlmProviderOut"];
export type CheckpointList = Schemas["CheckpointList"];
export type Checkpoint = Schemas["CheckpointOut"];
export type Fetch = Schemas["FetchOut"];
export type ProviderState = Schemas["ProviderState"];
export type Connection = Schemas["ConnectionOut"];
export type Share = Schemas["ShareOut"];
export type ShareRequest = Schemas["ShareIn"];
export type ConnectionTrial = Schemas["ConnectionTrialOut"];
export type Me = Schemas["MeOut"];
export type LogIn = Schemas["LogInOut"];
export type Import = Schemas["ImportOut"];
export type ImportReport = Schemas["ImportReportOut"];
export type SearchHit = Schemas["HitOut"];
