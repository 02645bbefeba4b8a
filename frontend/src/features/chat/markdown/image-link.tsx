/** An image as a link: loading it would tell its host who reads, and when. */
import { useTranslation } from "react-i18next";

export function ImageLink({ src, alt }: { src: string; alt: string }) {
  const { t } = useTranslation();
  const host = URL.canParse(src) ? new URL(src).host : "";
  if (!/^https?:/.test(src)) return <span className="text-muted">[{alt || t("chat.image")}]</span>;
  return (
    <a href={src} target="_blank" rel="noopener noreferrer nofollow" title={t("chat.imageNotLoaded")}>
      {t("chat.imageFrom", { alt: alt || t("chat.image"), host })}
    </a>
  );
}
