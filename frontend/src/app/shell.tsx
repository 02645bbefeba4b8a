/** The frame of the app: the sidebar, or a drawer on narrow screens, and beside it the current page. */
import { AudioLines, CircleHelp, CornerDownRight, Settings } from "lucide-react";
import { type ReactNode, useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useLocation } from "wouter";

import { AccountButton } from "@/features/accounts/account-button";
import { Sidebar } from "@/features/history/sidebar";
import { COMMAND, nameKey } from "@/shared/lib/keyboard";
import { HANDS_FREE } from "@/shared/lib/page-actions";
import { useServices, useSettings } from "@/shared/services";
import { holdsUnsaved, useModal } from "@/shared/ui/modal";
import { SidebarContext } from "@/shared/ui/page-header";
import { useMediaQuery } from "@/shared/ui/use-media-query";

import { FirstVisit, Pages, Palette } from "./pages";
import { findWayOut, isChatPath, type Shortcut, useShortcuts } from "./shortcuts";
import { ShortcutsSheet } from "./shortcuts-sheet";

export function Shell() {
  const [settings, change] = useSettings();
  const isWide = useMediaQuery("(min-width: 768px)");
  const [isDrawerOpen, setDrawerOpen] = useState(false);
  const [dialog, setDialog] = useState<"keys" | "palette" | null>(null);
  const leave = useWayOut();
  const [, go] = useLocation();
  const isShown = isWide && settings.sidebarOpen;
  const show = () => (isWide ? change({ sidebarOpen: true }) : setDrawerOpen(true));
  const closeDrawer = () => setDrawerOpen(false);
  const run = (shortcut: Shortcut): boolean | void => {
    if (shortcut === "leave") return leave();
    if (shortcut === "sheet") setDialog("keys");
    if (shortcut === "jump") setDialog("palette");
    if (shortcut === "new") go("/");
    if (shortcut === "settings") go("/settings");
    if (shortcut === "sidebar" && isWide) change({ sidebarOpen: !settings.sidebarOpen });
  };
  useShortcuts(run);
  const actions = usePaletteActions(run);
  const footer = (
    <SidebarFooter onOpen={closeDrawer} onSheet={() => run("sheet")} onJump={() => run("jump")} />
  );
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
      {dialog === "keys" && <ShortcutsSheet onClose={() => setDialog(null)} />}
      {dialog === "palette" && (
        <Palette
          actions={actions}
          onClose={() => {
            setDialog(null);
            closeDrawer();
          }}
        />
      )}
      {!settings.guided && <FirstVisit />}
    </SidebarContext>
  );
}

/** What the palette does besides going to conversations. */
function usePaletteActions(run: (shortcut: Shortcut) => void) {
  const { t } = useTranslation();
  const { actions } = useServices();
  const [, go] = useLocation();
  const switchHandsFree = (): void => {
    if (!actions.isOffered(HANDS_FREE)) go("/"); // it belongs to a conversation
    actions.run(HANDS_FREE);
  };
  return [
    { id: "new", name: t("history.new"), keys: [COMMAND, nameKey("Shift", t), "O"], run: () => run("new") },
    { id: HANDS_FREE, name: t("history.palette.handsFree"), keys: [], run: switchHandsFree },
    { id: "settings", name: t("settings.open"), keys: [COMMAND, ","], run: () => run("settings") },
    { id: "dictations", name: t("history.dictations.title"), keys: [], run: () => go("/dictations") },
    { id: "keys", name: t("common.keyboard"), keys: ["?"], run: () => run("sheet") },
  ];
}

/** A function that goes back to the conversation from another page; false where there is nothing to leave. */
function useWayOut(): () => boolean {
  const [path, go] = useLocation();
  const chatPath = useRef("/");
  useEffect(() => {
    if (isChatPath(path)) chatPath.current = path;
  }, [path]);
  return () => {
    const to = findWayOut(path, chatPath.current);
    if (to === null || holdsUnsaved(document)) return false;
    go(to);
    return true;
  };
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
  // A class, and no `:has()`: that would look through the whole page at each letter typed.
  useLayoutEffect(() => {
    const { classList } = document.documentElement;
    classList.add("has-sidebar");
    return () => classList.remove("has-sidebar");
  }, []);
  return (
    <aside className="w-72 shrink-0 border-r border-line bg-surface" aria-label={t("history.region")}>
      <Sidebar onCollapse={onCollapse} onOpen={() => undefined} footer={footer} />
    </aside>
  );
}

interface FooterProps {
  onOpen: () => void;
  onSheet: () => void;
  onJump: () => void;
}

function SidebarFooter({ onOpen, onSheet, onJump }: FooterProps) {
  const { t } = useTranslation();
  return (
    <div className="space-y-1">
      <button
        type="button"
        className="button-quiet min-h-11 w-full justify-start px-3"
        title={`${t("history.palette.open")} (${COMMAND} K)`}
        onClick={onJump}
      >
        <CornerDownRight size={17} aria-hidden />
        {t("history.palette.title")}
      </button>
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
      className="safe-area m-0 h-dvh max-h-none w-80 max-w-[85vw] border-r border-line bg-surface text-ink backdrop:bg-black/60"
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
