/** The bar at the top of every page, with the button that shows the sidebar where it is hidden. */
import { PanelLeftOpen } from "lucide-react";
import { createContext, type ReactNode, useContext } from "react";
import { useTranslation } from "react-i18next";

interface SidebarControl {
  isShown: boolean;
  show: () => void;
}

export const SidebarContext = createContext<SidebarControl>({ isShown: true, show: () => undefined });

export function PageHeader({ children }: { children: ReactNode }) {
  return (
    <header className="flex min-h-14 shrink-0 flex-wrap items-center justify-end gap-1 border-b border-line px-2 py-1 sm:px-4 short:hidden [&>h1]:mr-auto">
      <SidebarButton />
      {children}
    </header>
  );
}

function SidebarButton() {
  const { t } = useTranslation();
  const { isShown, show } = useContext(SidebarContext);
  if (isShown) return null;
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
