/** Short names of the wire's words, all from schema.d.ts, which is generated from the server (make types). */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type ClientMessage = Schemas["ClientMessage"];
export type ServerEvent = Schemas["ServerEvent"];
export type Conversation = Schemas["ConversationOut"];
export type ConversationDetail = Schemas["ConversationDetailOut"];
export type Message = Schemas["MessageOut"];
export type ToolEvent = Schemas["ToolEventOut"];
export type Dictation = Schemas["DictationOut"];
export type DictationDetail = Schemas["DictationDetailOut"];
export type Key = Schemas["KeyOut"];
export type NewKey = Schemas["NewKeyOut"];
export type SttProvider = Schemas["SttProviderOut"];
export type LlmProvider = Schemas["LlmProviderOut"];
export type ProviderState = Schemas["ProviderState"];
export type Me = Schemas["MeOut"];
export type LogIn = Schemas["LogInOut"];
export type Hit = Schemas["HitOut"];
