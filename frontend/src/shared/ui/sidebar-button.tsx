/** The way to the conversations where they are not in sight; every page puts it first in its header. */
import { PanelLeftOpen } from "lucide-react";
import { createContext, useContext } from "react";
import { useTranslation } from "react-i18next";

interface SidebarControl {
  shown: boolean;
  show: () => void;
}

export const SidebarContext = createContext<SidebarControl>({ shown: true, show: () => undefined });

export function SidebarButton() {
  const { t } = useTranslation();
  const { shown, show } = useContext(SidebarContext);
  if (shown) return null;
  return (
    <button
      type="button"
      className="button-quiet"
      aria-label={t("history.open")}
      title={t("history.open")}
      onClick={show}
    >
      <PanelLeftOpen size={20} aria-hidden />
    </button>
  );
}
