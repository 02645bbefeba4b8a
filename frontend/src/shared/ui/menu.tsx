/** A button that opens a short list of actions, with the keys that menus have. */
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";

import { isEscape } from "../lib/keyboard";
import { enterList, useRovingFocus } from "./roving-focus";

export interface MenuItem {
  label: string;
  run: () => void;
}

interface Props {
  label: string;
  items: readonly MenuItem[];
  /** Above the button, from its left edge; else below it, to its right edge. */
  opensUp?: boolean;
  children: ReactNode;
}

export function Menu({ label, items, opensUp = false, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const handleKey = (event: KeyboardEvent): void => {
    const opens = !isOpen && event.key === "ArrowDown";
    if (!opens && !(isOpen && isEscape(event))) return;
    event.preventDefault();
    event.stopPropagation();
    if (opens) setOpen(true);
    else close();
  };
  return (
    <div
      className="relative"
      onKeyDown={handleKey}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && setOpen(false)}
    >
      <button
        ref={button}
        type="button"
        className="button-quiet"
        aria-label={label}
        title={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
      >
        {children}
      </button>
      {isOpen && (
        <MenuList
          label={label}
          items={items}
          opensUp={opensUp}
          onChoose={(item) => {
            close();
            item.run();
          }}
        />
      )}
    </div>
  );
}

interface MenuListProps {
  label: string;
  items: readonly MenuItem[];
  opensUp: boolean;
  onChoose: (item: MenuItem) => void;
}

function MenuList({ label, items, opensUp, onChoose }: MenuListProps) {
  const list = useRovingFocus<HTMLDivElement>(true);
  useEffect(() => void enterList(list.current), [list]);
  return (
    <div
      ref={list}
      role="menu"
      aria-label={label}
      className={`absolute z-20 max-h-[40dvh] w-max overflow-y-auto ${opensUp ? "bottom-full left-0 mb-1" : "right-0 mt-1"} max-w-[calc(100vw-2rem)] rounded-xl border border-line bg-surface p-1 shadow-xl`}
    >
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          data-entry
          className="block min-h-target w-full rounded-lg px-3 py-2 text-left text-sm hover:bg-raised focus-visible:bg-raised"
          onClick={() => onChoose(item)}
        >
          {item.label}
        </button>
      ))}
    </div>
  );
}
