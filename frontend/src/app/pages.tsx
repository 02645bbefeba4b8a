/** Chooses the page for an address, and hands each page the parts that it needs from other features. */
import { useTranslation } from "react-i18next";
import { Route, Switch, useLocation } from "wouter";

import { useMe } from "@/features/accounts/use-me";
import { AttachStandIn } from "@/features/attachments/attach-stand-in";
import { useDraftWithFiles } from "@/features/attachments/attachments-context";
import type { IncomingPartProps } from "@/features/attachments/incoming-part";
import type { MessageFilesProps } from "@/features/attachments/message-files";
import { ChatPage } from "@/features/chat/chat-page";
import { ConnectCard } from "@/features/connections/connect-card";
import { useDictationComposer } from "@/features/dictation/components/use-dictation-composer";
import { useDictation } from "@/features/dictation/dictation-context";
import type { RedoDialogProps } from "@/features/redo/redo-dialog";
import { ShareButton } from "@/features/sharing/share-button";
import { useSettings } from "@/shared/services";
import { lazyPart, PartStandIn, type StandInProps } from "@/shared/ui/lazy-part";
import { Modal } from "@/shared/ui/modal";
import { PageHeader } from "@/shared/ui/page-header";

// What is not needed to see the field, to speak and to send.
const SettingsRoute = lazyPart(async () => (await import("./settings-route")).SettingsRoute, SettingsFrame);
const DictationsPage = lazyPart(
  async () => (await import("@/features/history/dictations-page")).DictationsPage,
  DictationsFrame,
);
const IncomingPart = lazyPart<IncomingPartProps>(
  async () => (await import("@/features/attachments/incoming-part")).IncomingPart,
  AttachStandIn,
);
const AttachedPart = lazyPart(
  async () => (await import("@/features/attachments/attached-part")).AttachedPart,
  () => null,
);
const MessageFileList = lazyPart(
  async () => (await import("@/features/attachments/message-files")).MessageFileList,
  FileNames,
);
const RedoDialog = lazyPart(async () => (await import("@/features/redo/redo-dialog")).RedoDialog, RedoFrame);
export const Palette = lazyPart(
  async () => (await import("@/features/history/palette")).Palette,
  PaletteFrame,
);
/** The guide of the first visit, or of who wants to see it again. */
export const FirstVisit = lazyPart(async () => (await import("./first-visit")).FirstVisit, GuideFrame);

const connect = (model: string, onModel: (model: string) => void) => (
  <ConnectCard model={model} onModel={onModel} />
);

const renderFiles = (props: MessageFilesProps) => <MessageFileList {...props} />;

const renderRedo = (props: RedoDialogProps) => <RedoDialog {...props} />;

export function Pages() {
  return (
    <Switch>
      <Route path="/settings">
        <SettingsRoute />
      </Route>
      <Route path="/dictations/:id?">{({ id }) => <DictationsRoute dictationId={id ?? null} />}</Route>
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
  const composer = useDictationComposer(conversationId, renderRedo);
  const draft = useDraftWithFiles(conversationId, composer.draft);
  const microphone = (
    <>
      <IncomingPart markCaret={composer.draft.mark} />
      {composer.microphone}
    </>
  );
  return (
    <ChatPage
      conversationId={conversationId}
      messageId={messageId}
      composer={{ ...composer, draft, files: <AttachedPart />, microphone }}
      connect={connect}
      share={useShareButton()}
      renderFiles={renderFiles}
    />
  );
}

/** Undefined until the server has said that this user may share. */
function useShareButton() {
  const me = useMe().data;
  if (me === undefined || me.sharing === "off" || me.via === "key") return undefined;
  return (conversationId: string) => (
    <ShareButton key={conversationId} conversationId={conversationId} isLocal={me.sharing === "machine"} />
  );
}

function DictationsRoute({ dictationId }: { dictationId: string | null }) {
  const { dictation, drafts } = useDictation();
  const [, go] = useLocation();
  /** Dictate into a new conversation. */
  const begin = (): void => {
    drafts.show(null);
    dictation.start();
    go("/");
  };
  return <DictationsPage dictationId={dictationId} onBegin={begin} renderRedo={renderRedo} />;
}

/** A page that is not loaded yet: its title, and the way to the sidebar. */
function PageFrame({ title, retry }: { title: string } & StandInProps) {
  return (
    <section aria-label={title} className="flex min-h-0 flex-1 flex-col">
      <PageHeader>
        <h1 className="px-1 text-sm font-semibold">{title}</h1>
      </PageHeader>
      <div className="mx-auto w-full max-w-3xl p-4 sm:p-6">
        <PartStandIn retry={retry} />
      </div>
    </section>
  );
}

function SettingsFrame({ retry }: StandInProps) {
  return <PageFrame title={useTranslation().t("settings.title")} retry={retry} />;
}

function DictationsFrame({ retry }: StandInProps) {
  return <PageFrame title={useTranslation().t("history.dictations.title")} retry={retry} />;
}

/** The names of files, while what shows them is loading. */
function FileNames({ attachments, retry }: MessageFilesProps & StandInProps) {
  return (
    <div className="mb-2 text-sm text-muted">
      {attachments.map(({ id, name }) => (
        <p key={id}>{name}</p>
      ))}
      {retry !== null && <PartStandIn retry={retry} />}
    </div>
  );
}

function RedoFrame({ retry, onClose }: { onClose: () => void } & StandInProps) {
  return (
    <Modal title={useTranslation().t("redo.title")} onClose={onClose}>
      <PartStandIn retry={retry} />
    </Modal>
  );
}

function PaletteFrame({ retry, onClose }: { onClose: () => void } & StandInProps) {
  return (
    <Modal title={useTranslation().t("history.palette.title")} onClose={onClose}>
      <PartStandIn retry={retry} />
    </Modal>
  );
}

/** The guide is not missed while it loads; a guide that does not load can be skipped. */
function GuideFrame({ retry }: StandInProps) {
  const { t } = useTranslation();
  const [, change] = useSettings();
  if (retry === null) return null;
  return (
    <Modal title={t("settings.guideTitle")} onClose={() => change({ guided: true })}>
      <PartStandIn retry={retry} />
    </Modal>
  );
}
