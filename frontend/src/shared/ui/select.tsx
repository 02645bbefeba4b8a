/** A list to choose one from: the browser's own, with an arrow that stands where the eye expects it. */
import { ChevronDown } from "lucide-react";
import type { ComponentProps } from "react";

export function Select(props: ComponentProps<"select">) {
  return (
    <span className="relative block">
      <select {...props} className="field cursor-pointer appearance-none truncate pr-9" />
      <ChevronDown size={16} aria-hidden className="pointer-events-none absolute right-3 top-3 text-muted" />
    </span>
  );
}
