/** What each tool does, in a word for people. */
import type { ToolCall } from "./tool-calls";

/** By toolset: a tool of somebody else that has the same name may do another thing. */
const KNOWN = {
  time: ["current_time", "add_to_date", "days_between"],
  calculator: ["calculate"],
  conversations: ["search_conversations"],
  loft: [
    "get_customer_by_phone",
    "get_customer_by_email",
    "get_orders_by_customer",
    "get_order_details",
    "search_products",
  ],
} as const;
type Known = (typeof KNOWN)[keyof typeof KNOWN][number];

export function does({ toolset, name }: Pick<ToolCall, "toolset" | "name">): `tools.does.${Known | "other"}` {
  const names = Object.entries<readonly Known[]>(KNOWN).find(([set]) => set === toolset)?.[1];
  return `tools.does.${names?.find((known) => known === name) ?? "other"}`;
}

/** What went wrong; what is not here is told in the server's words alone. */
const CODES = ["no_approval", "bad_arguments", "unknown_tool", "limit", "tool_timeout"] as const;

export function reason(code: string): `tools.codes.${(typeof CODES)[number]}` | null {
  const known = CODES.find((one) => one === code);
  return known ? `tools.codes.${known}` : null;
}
