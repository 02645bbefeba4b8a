/** The dialog that shares a conversation: what a link shows and for how long, and the links there are. */
import type { TFunction } from "i18next";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Share } from "@/shared/api/types";
import { wordError } from "@/shared/lib/notes";
import { copyText } from "@/shared/ui/copy-button";
import { Choice, Segments, Switch } from "@/shared/ui/fields";
import { Modal } from "@/shared/ui/modal";

import { CopyLink, ShareList } from "./share-list";
import { DAY_S, LIFETIMES_S, useMakeShare, useMarkdown, useShares } from "./shares";

export interface ShareDialogProps {
  conversationId: string;
  /** Whether a link opens on the server's own machine alone. */
  isLocal: boolean;
  onClose: () => void;
}

export function ShareDialog({ conversationId, isLocal, onClose }: ShareDialogProps) {
  const { t } = useTranslation();
  const make = useMakeShare();
  const [isAgain, setAgain] = useState(false);
  const others = (useShares().data ?? []).filter(
    (share) => share.conversation_id === conversationId && share.id !== make.data?.id,
  );
  const again = (): void => {
    setAgain(true);
    make.reset();
  };
  return (
    <Modal title={t("share.title")} onClose={onClose} className="max-w-xl">
      <div className="space-y-4">
        {isLocal && (
          <p role="note" className="rounded-lg border border-line bg-raised px-3 py-2 text-sm">
            {t("share.local")}
          </p>
        )}
        {make.data === undefined ? (
          <ShareForm conversationId={conversationId} make={make} isAgain={isAgain} />
        ) : (
          <MadeLink share={make.data} onAgain={again} />
        )}
        {others.length > 0 && (
          <section aria-labelledby="other-links" className="space-y-2 border-t border-line pt-4">
            <h3 id="other-links" className="text-sm font-semibold">
              {t("share.others")}
            </h3>
            <ShareList shares={others} />
          </section>
        )}
      </div>
    </Modal>
  );
}

interface FormProps {
  conversationId: string;
  make: ReturnType<typeof useMakeShare>;
  /** Whether it stands where a link was just shown, whose button had the focus. */
  isAgain: boolean;
}

function ShareForm({ conversationId, make, isAgain }: FormProps) {
  const { t } = useTranslation();
  const [kind, setKind] = useState<Share["kind"]>("snapshot");
  const [attachments, setAttachments] = useState(false);
  const [dictations, setDictations] = useState(false);
  const [lifeS, setLifeS] = useState<number | null>(30 * DAY_S);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    make.mutate({ conversation_id: conversationId, kind, attachments, dictations, expires_in_s: lifeS });
  };
  return (
    <form onSubmit={submit} className="settings space-y-4">
      <p className="text-sm text-muted">{t("share.lead")}</p>
      <Segments
        label={t("share.kind")}
        value={kind}
        options={[
          ["snapshot", t("share.snapshot")],
          ["live", t("share.live")],
        ]}
        onChange={setKind}
      />
      <p className="text-xs text-muted">{t(kind === "live" ? "share.liveHint" : "share.snapshotHint")}</p>
      <Switch label={t("share.attachments")} checked={attachments} onChange={setAttachments} />
      <Switch
        label={t("share.dictations")}
        hint={t("share.dictationsHint")}
        checked={dictations}
        onChange={setDictations}
      />
      <Choice
        label={t("share.ends")}
        value={String(lifeS)}
        options={LIFETIMES_S.map((seconds) => [String(seconds), nameLifetime(t, seconds)] as const)}
        onChange={(chosen) => setLifeS(LIFETIMES_S.find((each) => String(each) === chosen) ?? null)}
      />
      {make.error && (
        <p role="alert" className="text-sm text-danger">
          {wordError(t, make.error)}
        </p>
      )}
      <div className="flex flex-wrap justify-end gap-2">
        <CopyMarkdown conversationId={conversationId} />
        <button type="submit" className="button-brand min-h-11" autoFocus={isAgain} disabled={make.isPending}>
          {t("share.make")}
        </button>
      </div>
    </form>
  );
}

function nameLifetime(t: TFunction, seconds: number | null): string {
  return seconds === null ? t("share.never") : t("share.days", { count: seconds / DAY_S });
}

function MadeLink({ share, onAgain }: { share: Share; onAgain: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="space-y-3">
      <p role="status" className="text-sm">
        {t("share.made")}
      </p>
      {share.url !== null && <CopyLink url={share.url} />}
      <div className="flex flex-wrap justify-end gap-2">
        <CopyMarkdown conversationId={share.conversation_id} />
        <button type="button" className="button min-h-11" onClick={onAgain}>
          {t("share.another")}
        </button>
      </div>
    </div>
  );
}

function CopyMarkdown({ conversationId }: { conversationId: string }) {
  const { t } = useTranslation();
  const read = useMarkdown(conversationId);
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  const copy = (): void => {
    setState("idle");
    void read()
      .then(copyText)
      .then(
        () => setState("copied"),
        () => setState("failed"),
      );
  };
  const said = { idle: t("share.markdown"), copied: t("common.copied"), failed: t("share.markdownFailed") };
  return (
    <button type="button" className="button min-h-11" onClick={copy}>
      <span role="status">{said[state]}</span>
    </button>
  );
}
