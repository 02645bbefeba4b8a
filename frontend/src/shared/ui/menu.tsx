/** A button that opens a short list of actions, with the keys that menus have. */
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";

export interface MenuItem {
  label: string;
  run: () => void;
}

interface Props {
  label: string;
  items: readonly MenuItem[];
  children: ReactNode;
}

export function Menu({ label, items, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (isOpen) box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
  }, [isOpen]);
  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const handleKey = (event: KeyboardEvent): void => {
    if (!isOpen) return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
    const entries = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = entries.findIndex((entry) => entry === document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    entries.at(to % entries.length)?.focus();
  };
  return (
    <div
      ref={box}
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
  onChoose: (item: MenuItem) => void;
}

function MenuList({ label, items, onChoose }: MenuListProps) {
  return (
    <div
      role="menu"
      aria-label={label}
      className="absolute right-0 z-20 mt-1 w-max rounded-xl border border-line bg-surface p-1 shadow-xl"
    >
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          className="block w-full rounded-lg px-3 py-2 text-left text-sm hover:bg-raised focus-visible:bg-raised"
          onClick={() => onChoose(item)}
        >
          {item.label}
        </button>
      ))}
    </div>
  );
}
