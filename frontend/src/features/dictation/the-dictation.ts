/** The page's one dictation, and its drafts: they go on while components come and go. */

import { queryClient } from "@/shared/api/query-client";
import { keys } from "@/shared/api/query-keys";
import { session } from "@/shared/api/session";
import type { Me } from "@/shared/api/types";
import { settingsStore } from "@/shared/settings/store";

import { socketUrl } from "./client/messages";
import { ComposerStore } from "./composer/composer-store";
import { Dictation } from "./dictation";
import { Drafts } from "./drafts";
import { wishesOf } from "./wishes";

export const dictation = new Dictation({
  composer: new ComposerStore(),
  connect: () => new WebSocket(socketUrl(location)),
  credentials: session,
  wishes: () => wishesOf(settingsStore.get()),
});

export const drafts = new Drafts(
  dictation.composer,
  tabStore(),
  () => queryClient.getQueryData<Me>(keys.me)?.id ?? "",
);
session.subscribe(() => (session.state === "out" ? drafts.forget() : drafts.keep()));

/** Of this tab alone: two that compose at the same time do not overwrite each other. */
function tabStore(): Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  try {
    return sessionStorage;
  } catch {
    return { getItem: () => null, setItem: () => undefined, removeItem: () => undefined }; // forbidden
  }
}
