/** What lives as long as the page: created once in main.tsx, handed down by context. */
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createContext, type ReactNode, useCallback, useContext, useSyncExternalStore } from "react";

import { ApiClient } from "./api/client";
import { createQueryClient, keys } from "./api/queries";
import { AuthSession, openAuthChannel } from "./api/session";
import { TabChannel } from "./api/tab-channel";
import type { Me } from "./api/types";
import { PageActions } from "./lib/page-actions";
import type { Settings } from "./lib/settings";
import { SettingsStore } from "./lib/settings-store";
import { openTabStorage, TabTexts } from "./lib/tab-texts";
import { UnsentWork } from "./lib/unsent-work";
import { Announcements } from "./ui/announcements";
import { DialogStack } from "./ui/dialog-stack";
import { ToastStore } from "./ui/toasts";

export interface Services {
  session: AuthSession;
  api: ApiClient;
  queryClient: QueryClient;
  /** The other tabs of this browser that show the same conversations. */
  tabs: TabChannel;
  settings: SettingsStore;
  /** Opens texts of this tab that a log-out asks about, by their key in its storage. */
  openTabTexts: (name: string) => TabTexts;
  /** The id of the user of this page; empty before it is known. */
  readOwner: () => string;
  /** Half-written edits of messages. */
  edits: TabTexts;
  /** What a log-out would lose, here and in the other tabs. */
  unsent: UnsentWork;
  toasts: ToastStore;
  /** What screen readers are told. */
  announcements: Announcements;
  dialogs: DialogStack;
  /** What one part of the page may ask of another. */
  actions: PageActions;
}

/** @param session replaced by tests */
export function createServices(
  session = new AuthSession(undefined, undefined, undefined, openAuthChannel()),
): Services {
  const queryClient = createQueryClient();
  const readOwner = (): string => queryClient.getQueryData<Me>(keys.me)?.id ?? "";
  const unsent = new UnsentWork("prompter.unsent");
  const openTabTexts = (name: string): TabTexts => {
    const texts = new TabTexts(name, openTabStorage(), readOwner);
    session.subscribe(() => (session.state === "out" ? texts.pause() : texts.resume()));
    unsent.register("text", () => texts.places().length > 0);
    return texts;
  };
  return {
    session,
    api: new ApiClient(session),
    queryClient,
    openTabTexts,
    readOwner,
    edits: openTabTexts("prompter.edits"),
    unsent,
    tabs: new TabChannel("prompter.conversations"),
    settings: new SettingsStore(),
    toasts: new ToastStore(),
    announcements: new Announcements(),
    dialogs: new DialogStack(),
    actions: new PageActions(),
  };
}

const ServicesContext = createContext<Services | null>(null);

/** Gives the services to all components inside, and the query client to their queries. */
export function ServicesProvider({ services, children }: { services: Services; children: ReactNode }) {
  return (
    <ServicesContext value={services}>
      <QueryClientProvider client={services.queryClient}>{children}</QueryClientProvider>
    </ServicesContext>
  );
}

/** @throws Error outside a ServicesProvider */
export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (services === null) throw new Error("useServices needs a ServicesProvider around it");
  return services;
}

/** The settings, and a function that changes some of them. */
export function useSettings(): [Settings, (changes: Partial<Settings>) => void] {
  const { settings } = useServices();
  const change = useCallback((changes: Partial<Settings>) => settings.change(changes), [settings]);
  return [useSyncExternalStore(settings.subscribe, settings.get), change];
}
