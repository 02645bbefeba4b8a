/** The frame of the app: the sidebar, or a drawer on narrow screens, and beside it the current page. */
import { AudioLines, CircleHelp, Settings } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";

import { AccountButton } from "@/features/accounts/account-button";
import { Sidebar } from "@/features/history/sidebar";
import { useSettings } from "@/shared/services";
import { useModal } from "@/shared/ui/modal";
import { SidebarContext } from "@/shared/ui/page-header";
import { useMediaQuery } from "@/shared/ui/use-media-query";

import { FirstVisit, Pages } from "./pages";
import { useShortcuts } from "./shortcuts";
import { ShortcutsSheet } from "./shortcuts-sheet";

export function Shell() {
  const [settings, change] = useSettings();
  const isWide = useMediaQuery("(min-width: 768px)");
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const [isSheetOpen, setSheetOpen] = useState(false);
  const [, go] = useLocation();
  const isShown = isWide && settings.sidebarOpen;
  const show = () => (isWide ? change({ sidebarOpen: true }) : setDrawerOpen(true));
  const closeDrawer = () => setDrawerOpen(false);
  useShortcuts((shortcut) => {
    if (shortcut === "sheet") setSheetOpen(true);
    if (shortcut === "new") go("/");
    if (shortcut === "settings") go("/settings");
    if (shortcut === "sidebar" && isWide) change({ sidebarOpen: !settings.sidebarOpen });
    if (shortcut === "search") {
      show();
      setTimeout(() => document.querySelector<HTMLInputElement>("input[type=search]")?.focus());
    }
  });
  const footer = <SidebarFooter onOpen={closeDrawer} onSheet={() => setSheetOpen(true)} />;
  return (
    <SidebarContext value={{ isShown, show }}>
      <SkipLink />
      <div className="flex h-full">
        {isShown && <SidebarColumn footer={footer} onCollapse={() => change({ sidebarOpen: false })} />}
        <main id="main" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
          <Pages />
        </main>
      </div>
      {!isWide && isDrawerOpen && (
        <Drawer onClose={closeDrawer}>
          <Sidebar onCollapse={closeDrawer} onOpen={closeDrawer} footer={footer} />
        </Drawer>
      )}
      {isSheetOpen && <ShortcutsSheet onClose={() => setSheetOpen(false)} />}
      {!settings.guided && <FirstVisit />}
    </SidebarContext>
  );
}

function SkipLink() {
  const { t } = useTranslation();
  return (
    <a
      href="#main"
      className="button-brand sr-only z-50 focus:not-sr-only focus:absolute focus:left-3 focus:top-3"
      onClick={(event) => {
        event.preventDefault(); // the part behind # is the address of a page
        document.getElementById("main")?.focus();
      }}
    >
      {t("common.skipToContent")}
    </a>
  );
}

function SidebarColumn({ footer, onCollapse }: { footer: ReactNode; onCollapse: () => void }) {
  const { t } = useTranslation();
  return (
    <aside className="w-72 shrink-0 border-r border-line bg-surface" aria-label={t("history.region")}>
      <Sidebar onCollapse={onCollapse} onOpen={() => undefined} footer={footer} />
    </aside>
  );
}

function SidebarFooter({ onOpen, onSheet }: { onOpen: () => void; onSheet: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="space-y-1">
      <Link href="/dictations" onClick={onOpen} className="button-quiet w-full justify-start px-3">
        <AudioLines size={17} aria-hidden />
        {t("history.dictations.title")}
      </Link>
      <div className="flex">
        <Link href="/settings" onClick={onOpen} className="button-quiet flex-1 justify-start px-3">
          <Settings size={17} aria-hidden />
          {t("settings.open")}
        </Link>
        <button
          type="button"
          className="button-quiet"
          aria-label={t("common.keyboard")}
          title={`${t("common.keyboard")} (?)`}
          onClick={onSheet}
        >
          <CircleHelp size={17} aria-hidden />
        </button>
      </div>
      <AccountButton />
    </div>
  );
}

/** The sidebar of a narrow page: over everything, until a page is chosen or it is closed. */
function Drawer({ onClose, children }: { onClose: () => void; children: ReactNode }) {
  const { t } = useTranslation();
  const ref = useModal();
  return (
    <dialog
      ref={ref}
      aria-label={t("history.region")}
      className="m-0 h-dvh max-h-none w-80 max-w-[85vw] border-r border-line bg-surface p-0 text-ink backdrop:bg-black/60"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      {children}
    </dialog>
  );
}
