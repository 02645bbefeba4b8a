/** In the settings: the user's shared links. */
import { useTranslation } from "react-i18next";

import { wordError } from "@/shared/lib/notes";
import { Notice } from "@/shared/ui/notice";

import { ShareList } from "./share-list";
import { useShares } from "./shares";

interface Props {
  /** Whether this server no longer shares anything; links that there are can still be revoked. */
  isOff: boolean;
}

export function SharesSection({ isOff }: Props) {
  const { t } = useTranslation();
  const { data, error, refetch } = useShares();
  if (data === undefined && error)
    return (
      <div role="alert">
        <Notice text={wordError(t, error)} onRetry={() => void refetch()} />
      </div>
    );
  return (
    <div className="space-y-3">
      {isOff && <p className="text-sm">{t("share.off")}</p>}
      {data?.length === 0 && <p className="text-sm text-muted">{t("share.none")}</p>}
      {data !== undefined && data.length > 0 && <ShareList shares={data} />}
    </div>
  );
}
