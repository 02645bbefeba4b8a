/** The settings in force, for whoever reads or changes them; other tabs are heard too. */
import { useSyncExternalStore } from "react";

import { parseSettings, type Settings, STORE_KEY } from "./settings";

type Listener = () => void;

class SettingsStore {
  #settings: Settings = parseSettings(read());
  readonly #listeners = new Set<Listener>();

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key === STORE_KEY || event.key === null) this.#set(parseSettings(event.newValue));
    });
  }

  readonly get = (): Settings => this.#settings;

  readonly subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  change(changes: Partial<Settings>): void {
    this.#set({ ...this.#settings, ...changes });
    try {
      localStorage.setItem(STORE_KEY, JSON.stringify(this.#settings));
    } catch {
      // A full or forbidden store: the choice holds until the page is closed.
    }
  }

  #set(settings: Settings): void {
    this.#settings = settings;
    this.#listeners.forEach((listener) => listener());
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(STORE_KEY);
  } catch {
    return null;
  }
}

export const settingsStore = new SettingsStore();

/** The settings, and how to change some of them. */
export function useSettings(): [Settings, (changes: Partial<Settings>) => void] {
  return [useSyncExternalStore(settingsStore.subscribe, settingsStore.get), change];
}

const change = (changes: Partial<Settings>): void => settingsStore.change(changes);
