/** An empty place: what will be here, and the one press that begins. */
import type { LucideIcon } from "lucide-react";
import type { ReactNode } from "react";

interface EmptyStateProps {
  Icon: LucideIcon;
  title: string;
  text: string;
  /** Whether it comes while the user waits for it, as after a search: screen readers hear it then. */
  isResult?: boolean;
  /** The press. */
  children: ReactNode;
}

export function EmptyState({ Icon, title, text, isResult = false, children }: EmptyStateProps) {
  return (
    <div className="flex flex-col items-center px-3 py-8 text-center">
      <span
        aria-hidden
        className="mb-3 grid size-12 place-items-center rounded-full bg-accent/10 text-accent"
      >
        <Icon size={22} />
      </span>
      <div role={isResult ? "status" : undefined}>
        <p className="break-words text-sm font-medium">{title}</p>
        <p className="mx-auto mt-1 max-w-sm text-balance text-sm text-muted">{text}</p>
      </div>
      <div className="mt-4 flex flex-wrap justify-center gap-2">{children}</div>
    </div>
  );
}
