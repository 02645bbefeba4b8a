/** The frame: conversations at the side, the chosen page in the middle. */
import { AudioLines, CircleHelp, Settings } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";

import { AccountButton } from "@/features/accounts/account-button";
import { Sidebar } from "@/features/history/sidebar";
import { useMediaQuery } from "@/shared/hooks/use-media-query";
import { useSettings } from "@/shared/settings/store";
import { SidebarContext } from "@/shared/ui/sidebar-button";

import { Drawer } from "./drawer";
import { FirstVisit, Pages } from "./pages";
import type { Shortcut } from "./shortcuts";
import { ShortcutsSheet } from "./shortcuts-sheet";
import { useShortcuts } from "./use-shortcuts";

export function Shell() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const wide = useMediaQuery("(min-width: 768px)");
  const [drawer, setDrawer] = useState(false);
  const [sheet, setSheet] = useState(false);
  const [, go] = useLocation();
  const shown = wide && settings.sidebarOpen;
  const show = () => (wide ? change({ sidebarOpen: true }) : setDrawer(true));
  const run = (shortcut: Shortcut) => {
    if (shortcut === "sheet") setSheet(true);
    if (shortcut === "new") go("/");
    if (shortcut === "settings") go("/settings");
    if (shortcut === "sidebar" && wide) change({ sidebarOpen: !settings.sidebarOpen });
    if (shortcut === "search") {
      show();
      setTimeout(() => document.querySelector<HTMLInputElement>("input[type=search]")?.focus());
    }
  };
  useShortcuts(run);
  const foot = <Foot onOpen={() => setDrawer(false)} onSheet={() => setSheet(true)} />;
  return (
    <SidebarContext value={{ shown, show }}>
      <a
        href="#main"
        className="button-brand sr-only z-50 focus:not-sr-only focus:absolute focus:left-3 focus:top-3"
        onClick={(event) => {
          event.preventDefault(); // The address behind # is the page's.
          document.getElementById("main")?.focus();
        }}
      >
        {t("common.skipToContent")}
      </a>
      <div className="flex h-full">
        {shown && (
          <aside className="w-72 shrink-0 border-r border-line bg-surface" aria-label={t("history.region")}>
            <Sidebar onCollapse={() => change({ sidebarOpen: false })} onOpen={() => undefined} foot={foot} />
          </aside>
        )}
        <main id="main" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
          <Pages />
        </main>
      </div>
      {!wide && drawer && (
        <Drawer onClose={() => setDrawer(false)}>
          <Sidebar onCollapse={() => setDrawer(false)} onOpen={() => setDrawer(false)} foot={foot} />
        </Drawer>
      )}
      {sheet && <ShortcutsSheet onClose={() => setSheet(false)} />}
      <FirstVisit />
    </SidebarContext>
  );
}

function Foot({ onOpen, onSheet }: { onOpen: () => void; onSheet: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="space-y-1">
      <Link href="/dictations" onClick={onOpen} className="button-quiet w-full justify-start px-3">
        <AudioLines size={17} aria-hidden />
        {t("chat.dictations.title")}
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
