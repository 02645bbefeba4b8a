/** The choice of a format, and the button that exports in it. */
import { Download } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { EXPORT_FORMATS, type Exported, type ExportFormat, useExport } from "../lib/exporting";
import { Select } from "./fields";

interface Props {
  what: Exported;
  isDisabled?: boolean;
}

export function ExportForm({ what, isDisabled = false }: Props) {
  const { t } = useTranslation();
  const [format, setFormat] = useState<ExportFormat>("markdown");
  const run = useExport();
  return (
    <div className="flex flex-wrap items-center gap-2">
      <div className="min-w-0 flex-1 basis-28">
        <Select
          aria-label={t("exports.format")}
          value={format}
          onChange={(event) => setFormat(event.target.value as ExportFormat)}
        >
          {EXPORT_FORMATS.map((each) => (
            <option key={each} value={each}>
              {t(`exports.${each}`)}
            </option>
          ))}
        </Select>
      </div>
      <button type="button" className="button" disabled={isDisabled} onClick={() => void run(what, format)}>
        <Download size={16} aria-hidden />
        {t("exports.run")}
      </button>
    </div>
  );
}
