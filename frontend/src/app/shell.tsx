/** The frame: conversations at the side, the chosen page in the middle. */
import { useTranslation } from "react-i18next";
import { Route, Switch } from "wouter";

import { ChatPage } from "@/features/chat/chat-page";

export function Shell() {
  const { t } = useTranslation();
  return (
    <div className="flex h-full">
      <aside className="hidden w-72 shrink-0 border-r border-line bg-surface sm:block" aria-label={t("history.region")} />
      <main id="main" className="flex min-w-0 flex-1 flex-col">
        <Switch>
          <Route path="/c/:id">{({ id }) => <ChatPage key={id} conversationId={id} />}</Route>
          <Route>
            <ChatPage key="new" conversationId={null} />
          </Route>
        </Switch>
      </main>
    </div>
  );
}
