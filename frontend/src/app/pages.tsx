/** Chooses the page for an address, and hands each page the parts that it needs from other features. */
import { lazy, Suspense } from "react";
import { Route, Switch } from "wouter";

import { KeysSection } from "@/features/accounts/keys-section";
import { useMe } from "@/features/accounts/use-me";
import { ChatPage } from "@/features/chat/chat-page";
import { ConnectCard } from "@/features/connections/connect-card";
import { MicrophoneTest } from "@/features/dictation/components/microphone-test";
import { useDictationComposer } from "@/features/dictation/components/use-dictation-composer";
import { DictationsPage } from "@/features/history/dictations-page";
import { Guide } from "@/features/settings/guide";
import { SettingsPage } from "@/features/settings/settings-page";

const ConnectionsSection = lazy(async () => ({
  default: (await import("@/features/connections/connections-section")).ConnectionsSection,
}));

const microphone = <MicrophoneTest />;
const connect = (model: string, onModel: (model: string) => void) => (
  <ConnectCard model={model} onModel={onModel} />
);

export function Pages() {
  return (
    <Switch>
      <Route path="/settings">
        <SettingsRoute />
      </Route>
      <Route path="/dictations/:id?">{({ id }) => <DictationsPage dictationId={id ?? null} />}</Route>
      {/* Without keys: composed text and a dictation survive the change to another conversation. */}
      <Route path="/c/:id/:messageId?">
        {({ id, messageId }) => <ChatRoute conversationId={id} messageId={messageId ?? null} />}
      </Route>
      <Route>
        <ChatRoute conversationId={null} />
      </Route>
    </Switch>
  );
}

function ChatRoute({
  conversationId,
  messageId = null,
}: {
  conversationId: string | null;
  messageId?: string | null;
}) {
  return (
    <ChatPage
      conversationId={conversationId}
      messageId={messageId}
      composer={useDictationComposer(conversationId)}
      connect={connect}
    />
  );
}

function SettingsRoute() {
  const me = useMe();
  const account = me.data?.mode === "accounts" && me.data.via === "session" ? <KeysSection /> : null;
  const canShare = me.data?.mode === "accounts" && me.data.role === "admin";
  const connections = (
    <Suspense fallback={null}>
      <ConnectionsSection canShare={canShare} />
    </Suspense>
  );
  return <SettingsPage microphone={microphone} connections={connections} account={account} />;
}

export function FirstVisit() {
  return <Guide microphone={microphone} />;
}
