// The events of an answer in the app's own words, read from server-sent ones; what is unknown is left out.
import type { SseEvent } from './sse'

export interface Usage {
  readonly prompt_tokens?: number
  readonly completion_tokens?: number
  readonly total_tokens?: number
  readonly estimated?: boolean
}

export type ChatEvent =
  | { readonly type: 'start'; readonly conversationId: string; readonly messageId: string; readonly userMessageId: string; readonly title: string }
  | { readonly type: 'content'; readonly text: string }
  | { readonly type: 'reasoning'; readonly text: string }
  | {
      readonly type: 'done'
      readonly status: 'completed' | 'stopped'
      readonly messageId: string
      readonly model: string | null
      readonly provider: string | null
      readonly finishReason: string | null
      readonly usage: Usage | null
    }
  | { readonly type: 'error'; readonly message: string; readonly code: string }

/** The event, or null for one that this app does not know or cannot read. */
export function chatEvent(event: SseEvent): ChatEvent | null {
  const data = object(event.data)
  if (!data) return null
  switch (event.event) {
    case 'start':
      return {
        type: 'start',
        conversationId: text(data.conversation_id),
        messageId: text(data.message_id),
        userMessageId: text(data.user_message_id),
        title: text(data.title),
      }
    case 'message':
      return { type: 'content', text: text(data.content) }
    case 'reasoning':
      return { type: 'reasoning', text: text(data.content) }
    case 'done':
      return {
        type: 'done',
        status: data.status === 'stopped' ? 'stopped' : 'completed',
        messageId: text(data.message_id),
        model: textOrNull(data.model),
        provider: textOrNull(data.provider),
        finishReason: textOrNull(data.finish_reason),
        usage: isObject(data.usage) ? (data.usage as Usage) : null,
      }
    case 'error':
      return { type: 'error', message: text(data.error), code: text(data.code) }
    default:
      return null
  }
}

function object(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const textOrNull = (value: unknown): string | null => (typeof value === 'string' ? value : null)
