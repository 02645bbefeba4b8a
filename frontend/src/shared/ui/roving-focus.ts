/**
 * Roving focus: a list is one stop of the Tab key, and arrow keys move within it.
 *
 * Marks in the list: `data-entry` on what the up and down arrows move between; `data-entry-action` on
 * buttons of an entry, which the right arrow reaches; `data-entry-row` around an entry and those. Where
 * the element in focus is taken away, the focus goes to what stands in its place.
 */
import { type RefObject, useEffect, useRef } from "react";

const ENTRY = "[data-entry]";
const ACTION = "[data-entry-action]";
const ROW = "[data-entry-row]";
const PAGE_ENTRIES = 10;

/** A row, or an entry without one, and its place in the list. */
interface Held {
  row: Element;
  at: number;
}

/** @param wraps whether the arrow down leads from the last entry to the first, as in menus */
export function useRovingFocus<E extends HTMLElement>(wraps = false): RefObject<E | null> {
  const list = useRef<E>(null);
  useEffect(() => (list.current === null ? undefined : roveFocus(list.current, wraps)), [wraps]);
  return list;
}

/** Returns a function that ends it. Entries may come and go. */
function roveFocus(list: HTMLElement, wraps: boolean): () => void {
  /** The entry that Tab leads to. */
  let stop: HTMLElement | null = null;
  /** Where the focus is; null outside of the list. */
  let held: Held | null = null;

  const getEntries = (): HTMLElement[] => [...list.querySelectorAll<HTMLElement>(ENTRY)];

  const setStop = (entries: readonly HTMLElement[], wanted: HTMLElement | undefined): void => {
    stop = wanted ?? null;
    for (const entry of entries) setTabIndex(entry, entry === stop ? 0 : -1);
    for (const action of list.querySelectorAll<HTMLElement>(ACTION)) setTabIndex(action, -1);
  };

  const refresh = (): void => {
    const entries = getEntries();
    if (held !== null && isFocusLost()) restore(entries, held);
    const kept = stop !== null && list.contains(stop) ? stop : undefined;
    const current = entries.find((entry) => entry.hasAttribute("aria-current"));
    setStop(entries, held === null ? (current ?? kept ?? entries[0]) : (kept ?? current ?? entries[0]));
  };

  const restore = (entries: readonly HTMLElement[], { row, at }: Held): void => {
    const entry = list.contains(row) ? findEntry(row) : entries[Math.min(at, entries.length - 1)];
    entry?.focus();
  };

  const handleFocus = ({ target }: FocusEvent): void => {
    const row = findRow(target);
    if (row === null) return;
    const entry = findEntry(row);
    if (entry === null) {
      if (held?.row !== row) held = { row, at: 0 }; // its entry gave way to a field
      return;
    }
    const entries = getEntries();
    held = { row, at: entries.indexOf(entry) };
    setStop(entries, entry);
  };

  /** An element that is removed loses the focus too: only one that stays has lost it to another. */
  const handleBlur = ({ target, relatedTarget }: FocusEvent): void =>
    queueMicrotask(() => {
      const isInside = relatedTarget instanceof Node && list.contains(relatedTarget);
      if (!isInside && target instanceof Node && target.isConnected && document.activeElement !== target)
        held = null;
    });

  const handleKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (!(event.target instanceof Element) || event.target.matches("input, textarea, select")) return;
    const row = findRow(event.target);
    if (row === null) return;
    const next = findNext(event, row, getEntries(), wraps);
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  };

  const observer = new MutationObserver(refresh);
  observer.observe(list, {
    childList: true,
    subtree: true,
    attributes: true,
    attributeFilter: ["aria-current"],
  });
  list.addEventListener("focusin", handleFocus);
  list.addEventListener("focusout", handleBlur);
  list.addEventListener("keydown", handleKey);
  refresh();
  return () => {
    observer.disconnect();
    list.removeEventListener("focusin", handleFocus);
    list.removeEventListener("focusout", handleBlur);
    list.removeEventListener("keydown", handleKey);
  };
}

/** A write without a change costs the browser as much as one with it. */
function setTabIndex(element: HTMLElement, tabIndex: number): void {
  if (element.tabIndex !== tabIndex) element.tabIndex = tabIndex;
}

function isFocusLost(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}

function findRow(target: EventTarget | null): Element | null {
  return target instanceof Element ? (target.closest(ROW) ?? target.closest(ENTRY)) : null;
}

function findEntry(row: Element): HTMLElement | null {
  return row.matches(ENTRY) ? (row as HTMLElement) : row.querySelector<HTMLElement>(ENTRY);
}

/** Where a key leads; undefined for a key that means nothing here. */
function findNext(
  { key, target }: KeyboardEvent,
  row: Element,
  entries: readonly HTMLElement[],
  wraps: boolean,
): HTMLElement | undefined {
  const parts = [findEntry(row), ...row.querySelectorAll<HTMLElement>(ACTION)].filter((one) => one !== null);
  if (parts.length > 1 && (key === "ArrowRight" || key === "ArrowLeft")) {
    const part = parts.findIndex((one) => one === target);
    return parts[clamp(part + (key === "ArrowRight" ? 1 : -1), parts.length)];
  }
  const at = entries.findIndex((entry) => entry === parts[0]);
  const steps: Record<string, number | undefined> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: clamp(at + PAGE_ENTRIES, entries.length),
    PageUp: clamp(at - PAGE_ENTRIES, entries.length),
    Home: 0,
    End: entries.length - 1,
  };
  const to = steps[key];
  if (to === undefined) return undefined;
  return entries.at(wraps ? to % entries.length : clamp(to, entries.length));
}

function clamp(at: number, length: number): number {
  return Math.max(0, Math.min(at, length - 1));
}

/** Move the focus from a field above a list into it. */
export function enterList(list: HTMLElement | null): boolean {
  const entry = list?.querySelector<HTMLElement>(ENTRY) ?? null;
  entry?.focus();
  return entry !== null;
}
