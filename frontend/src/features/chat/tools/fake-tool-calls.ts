/** A call of a tool for tests: a reading one that has ended, unless told otherwise. */
import type { ToolEvent } from "@/shared/api/types";

const ABOUT = { call_id: "call_1", name: "get_order_details", toolset: "loft" };

export function newToolEvent(event: ToolEvent["event"], data: object = {}, text = 0): ToolEvent {
  return { event, text, reasoning: 0, data: { ...ABOUT, ...data } };
}

export const CALL = newToolEvent("tool_call", { arguments: { order_id: "ORD001" } });
export const RESULT = newToolEvent("tool_result", { result: '{"found":true}', truncated: false, ms: 12 });
