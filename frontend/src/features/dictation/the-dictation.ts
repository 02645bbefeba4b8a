/** The page's one dictation: it goes on while components come and go. */

import { session } from "@/shared/api/session";
import { settingsStore } from "@/shared/settings/store";

import { socketUrl } from "./client/messages";
import { ComposerStore } from "./composer/composer-store";
import { Dictation } from "./dictation";
import { wishesOf } from "./wishes";

export const dictation = new Dictation({
  composer: new ComposerStore(),
  connect: () => new WebSocket(socketUrl(location)),
  credentials: session,
  wishes: () => wishesOf(settingsStore.get()),
});
