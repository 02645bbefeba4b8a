/** The keyboard shortcuts of the chat, wherever the focus is. */
import { useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";

import { isComposing, isDialogOpen, isEscape } from "@/shared/lib/keyboard";
import { useServices } from "@/shared/services";
import { copyText } from "@/shared/ui/copy-button";

import type { Draft } from "./components/draft";
import type { ConversationChat } from "./use-conversation-chat";
import type { ShownQueue } from "./use-message-queue";

/** Runs a shortcut; false where there was nothing to do, so that the browser handles the key. */
type Action = () => boolean | void;

type ChatActions = Record<"stop" | "compose" | "regenerate" | "copyAnswer" | "goToApproval", Action>;

export function useChatShortcuts(chat: ConversationChat, draft: Draft, queue: ShownQueue): void {
  const { t } = useTranslation();
  const { toasts } = useServices();
  const lastAnswer = chat.shown.findLast((message) => message.role === "assistant");
  const actions: ChatActions = {
    stop: () => {
      if (queue.takeBack()) return true; // the next Escape stops the answer
      if (chat.isAnswering) chat.stop();
      return chat.isAnswering;
    },
    compose: () => draft.focus(),
    regenerate: () => {
      if (lastAnswer && !chat.isAnswering) chat.actions?.regenerate(lastAnswer);
    },
    goToApproval: () => {
      const button = document.querySelector<HTMLElement>("[data-approval] button:enabled");
      button?.focus();
      return button !== null;
    },
    copyAnswer: () => {
      if (!lastAnswer?.content) return;
      void copyText(lastAnswer.content).then(
        () => toasts.show({ text: t("common.copied"), tone: "info" }),
        () => toasts.show({ text: t("chat.copyFailed"), tone: "error" }),
      );
    },
  };
  const latest = useRef(actions);
  useEffect(() => void (latest.current = actions));
  useEffect(() => {
    const handleKey = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || isComposing(event) || isDialogOpen()) return;
      const action = findAction(event, latest.current);
      if (action && action() !== false) event.preventDefault();
    };
    addEventListener("keydown", handleKey);
    return () => removeEventListener("keydown", handleKey);
  }, []);
}

function findAction(event: KeyboardEvent, actions: ChatActions): Action | null {
  const { altKey, ctrlKey, metaKey, shiftKey, code, key } = event;
  if (isEscape(event)) return actions.stop;
  const composeBySlash = key === "/" && !isTextField(event.target) ? actions.compose : null;
  if (ctrlKey || metaKey || shiftKey) return composeBySlash;
  if (!altKey) return composeBySlash;
  // By the place of the key: on a Mac, Option and a letter types a special character.
  const byCode: Record<string, Action | undefined> = {
    KeyR: actions.regenerate,
    KeyC: actions.copyAnswer,
    KeyA: actions.goToApproval,
  };
  return byCode[code] ?? null;
}

function isTextField(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable=true]") !== null
  );
}
