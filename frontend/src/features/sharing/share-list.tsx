/** Links that there are: what each shows and until when, to be copied, opened and revoked. */
import type { TFunction } from "i18next";
import { ExternalLink, Trash2 } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { Share } from "@/shared/api/types";
import { formatShortDate } from "@/shared/lib/formats";
import { wordError } from "@/shared/lib/notes";
import { CopyButton } from "@/shared/ui/copy-button";

import { useRevokeShare } from "./shares";

export function ShareList({ shares }: { shares: readonly Share[] }) {
  const { t } = useTranslation();
  return (
    <ul aria-label={t("share.links")} className="divide-y divide-line rounded-xl border border-line">
      {shares.map((share) => (
        <ShareItem key={share.id} share={share} />
      ))}
    </ul>
  );
}

/** An address in a field, to be read and selected, with buttons that copy and open it. */
export function CopyLink({ url }: { url: string }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-wrap items-center gap-2">
      <input
        className="field min-h-11 min-w-0 flex-1 basis-56"
        aria-label={t("share.address")}
        readOnly
        autoFocus
        value={url}
        onFocus={(event) => event.target.select()}
      />
      <LinkButtons url={url} />
    </div>
  );
}

function LinkButtons({ url }: { url: string }) {
  const { t } = useTranslation();
  return (
    <>
      <CopyButton text={url} label={t("share.copy")} showLabel />
      <a className="button-quiet" href={url} target="_blank" rel="noopener noreferrer">
        <ExternalLink size={16} aria-hidden />
        {t("share.preview")}
      </a>
    </>
  );
}

function ShareItem({ share }: { share: Share }) {
  const { t, i18n } = useTranslation();
  const revoke = useRevokeShare(share.id);
  const [asks, setAsks] = useState(false);
  const { title, url } = share;
  return (
    <li className="space-y-1 px-4 py-3 text-sm">
      <p dir="auto" className="break-words font-medium">
        {title}
      </p>
      <p className="text-xs text-muted">{describe(t, share, i18n.language)}</p>
      {url === null && <p className="text-xs text-muted">{t("share.hidden")}</p>}
      {revoke.error && (
        <p role="alert" className="text-danger">
          {wordError(t, revoke.error)}
        </p>
      )}
      <div className="flex flex-wrap items-center gap-1">
        {url !== null && !share.expired && <LinkButtons url={url} />}
        {!asks && (
          <button
            type="button"
            className="button-quiet text-danger"
            aria-label={t("share.revokeName", { title })}
            onClick={() => setAsks(true)}
          >
            <Trash2 size={16} aria-hidden />
            {t("share.revoke")}
          </button>
        )}
      </div>
      {asks && (
        <div
          role="group"
          aria-label={t("share.revokeName", { title })}
          className="flex flex-wrap items-center gap-2"
        >
          <p className="min-w-0 flex-1 basis-48">{t("share.revokeAsk")}</p>
          <button
            type="button"
            className="button min-h-11 text-danger"
            disabled={revoke.isPending}
            onClick={() => revoke.mutate(undefined, { onError: () => setAsks(false) })}
          >
            {t("share.revoke")}
          </button>
          <button type="button" autoFocus className="button-quiet min-h-11" onClick={() => setAsks(false)}>
            {t("share.keep")}
          </button>
        </div>
      )}
    </li>
  );
}

/** What a link shows, since when and until when. */
function describe(t: TFunction, share: Share, language: string): string {
  const made = formatShortDate(share.created_at, language);
  const parts = [t(share.kind === "live" ? "share.isLive" : "share.isSnapshot", { date: made })];
  if (share.attachments) parts.push(t("share.withAttachments"));
  if (share.dictations) parts.push(t("share.withDictations"));
  if (share.expired) parts.push(t("share.ended"));
  else if (share.expires_at === null) parts.push(t("share.endless"));
  else parts.push(t("share.until", { date: formatShortDate(share.expires_at, language) }));
  return parts.join(" · ");
}
