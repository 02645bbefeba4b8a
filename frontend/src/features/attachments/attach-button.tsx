/** The button that attaches files; where there is a camera in the hand, it offers that too. */
import { Paperclip } from "lucide-react";
import { type ChangeEvent, useRef } from "react";
import { useTranslation } from "react-i18next";

import { Menu } from "@/shared/ui/menu";
import { useMediaQuery } from "@/shared/ui/use-media-query";

export function AttachButton({ onFiles }: { onFiles: (files: readonly File[]) => void }) {
  const { t } = useTranslation();
  const isHandheld = useMediaQuery("(hover: none) and (pointer: coarse)");
  const picker = useRef<HTMLInputElement>(null);
  const camera = useRef<HTMLInputElement>(null);
  const take = ({ currentTarget: input }: ChangeEvent<HTMLInputElement>): void => {
    const files = [...(input.files ?? [])];
    input.value = ""; // the same file can be chosen again
    if (files.length > 0) onFiles(files);
  };
  const hidden = { type: "file", hidden: true, tabIndex: -1, onChange: take } as const;
  const items = [
    { label: t("attachments.choose"), run: () => picker.current?.click() },
    { label: t("attachments.photograph"), run: () => camera.current?.click() },
  ];
  return (
    <div data-attach className="-mr-1 shrink-0">
      <input
        {...hidden}
        ref={picker}
        multiple
        data-testid="file-picker"
        aria-label={t("attachments.choose")}
      />
      <input
        {...hidden}
        ref={camera}
        accept="image/*"
        capture="environment"
        data-testid="camera"
        aria-label={t("attachments.photograph")}
      />
      {isHandheld ? (
        <Menu label={t("attachments.add")} items={items} opensUp>
          <Paperclip size={20} aria-hidden />
        </Menu>
      ) : (
        <button
          type="button"
          className="button-quiet"
          aria-label={t("attachments.add")}
          title={t("attachments.addHint")}
          onClick={() => picker.current?.click()}
        >
          <Paperclip size={20} aria-hidden />
        </button>
      )}
    </div>
  );
}
