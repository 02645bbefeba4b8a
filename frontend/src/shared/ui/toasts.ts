/** Short notices at the edge of the page, each with at most one action. */

export interface Toast {
  id: number;
  text: string;
  tone: "info" | "error";
  action?: { label: string; run: () => void };
}

interface NewToast extends Omit<Toast, "id"> {
  /** How long it is shown: enough to read it and to reach the action. */
  stayMs?: number;
}

type Listener = () => void;

export class ToastStore {
  #shown: readonly Toast[] = [];
  #floorPx = 0;
  #next = 1;
  readonly #listeners = new Set<Listener>();

  readonly get = (): readonly Toast[] => this.#shown;

  readonly subscribe = (listener: Listener): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** How high above the lower edge of the page notices begin: what is below stays free. */
  readonly getFloorPx = (): number => this.#floorPx;

  setFloorPx(floorPx: number): void {
    this.#floorPx = floorPx;
    this.#listeners.forEach((listener) => listener());
  }

  show({ stayMs = 6000, ...toast }: NewToast): number {
    const id = this.#next++;
    this.#set([...this.#shown, { ...toast, id }]);
    setTimeout(() => this.dismiss(id), stayMs);
    return id;
  }

  dismiss(id: number): void {
    this.#set(this.#shown.filter((toast) => toast.id !== id));
  }

  #set(shown: readonly Toast[]): void {
    this.#shown = shown;
    this.#listeners.forEach((listener) => listener());
  }
}
