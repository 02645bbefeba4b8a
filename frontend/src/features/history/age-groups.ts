/** Groups conversations by the day of their last change, in the order of the list. */
import type { Conversation } from "@/shared/api/types";

export type Age = "today" | "yesterday" | "week" | "older";

export interface AgeGroup {
  age: Age;
  conversations: Conversation[];
}

const DAY_MS = 24 * 3600 * 1000;

/** @param now decides where the local day begins */
export function getAge(changedAt: string, now: Date): Age {
  const midnightMs = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const changedMs = new Date(changedAt).getTime();
  if (changedMs >= midnightMs) return "today";
  if (changedMs >= midnightMs - DAY_MS) return "yesterday";
  return changedMs >= midnightMs - 7 * DAY_MS ? "week" : "older";
}

export function groupByAge(conversations: readonly Conversation[], now: Date): AgeGroup[] {
  const groups: AgeGroup[] = [];
  for (const conversation of conversations) {
    const age = getAge(conversation.updated_at, now);
    const last = groups.at(-1);
    if (last?.age === age) last.conversations.push(conversation);
    else groups.push({ age, conversations: [conversation] });
  }
  return groups;
}
