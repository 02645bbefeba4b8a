/** The current settings: stored in the browser, and kept the same in all its tabs. */
import { parseSettings, type Settings, SETTINGS_KEY } from "./settings";

type Listener = () => void;

export class SettingsStore {
  #settings: Settings = parseSettings(readStored());
  readonly #listeners = new Set<Listener>();

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key === SETTINGS_KEY || event.key === null) this.#set(parseSettings(event.newValue));
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
      localStorage.setItem(SETTINGS_KEY, JSON.stringify(this.#settings));
    } catch {
      // Storage is full or forbidden: the choice holds until the page is closed.
    }
  }

  #set(settings: Settings): void {
    this.#settings = settings;
    this.#listeners.forEach((listener) => listener());
  }
}

function readStored(): string | null {
  try {
    return localStorage.getItem(SETTINGS_KEY);
  } catch {
    return null;
  }
}
