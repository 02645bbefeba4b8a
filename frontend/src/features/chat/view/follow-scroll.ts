/** When the page follows text that grows, and when it yields to its reader: pure. */

export interface Scroll {
  /** All in CSS pixels, as the scrolling element has them. */
  top: number;
  height: number;
  view: number;
}

/** So close to the end, one is at the end. */
export const NEAR_PX = 40;
/** Less than this is the browser's rounding, not a reader. */
const MOVED_PX = 1.5;

export function distance({ top, height, view }: Scroll): number {
  return Math.max(0, height - view - top);
}

/** Whether to follow after a scroll from `before` to `now`: whoever goes up reads, whoever comes to the end follows. */
export function follows(following: boolean, before: Scroll, now: Scroll): boolean {
  // Text that gets shorter, or a field below that grows, moves it by itself; that is nobody's wish. Text that grows
  // does not: a fast answer grows in every frame, and still yields.
  const byReader = now.height >= before.height && before.view === now.view;
  if (byReader && now.top < before.top - MOVED_PX) return false;
  return distance(now) <= NEAR_PX ? true : following;
}

/** Where to scroll in the next frame on the way to the end: fast from afar, and never past it. */
export function nextTop(now: Scroll): number {
  const left = distance(now);
  if (left > now.view) return now.height - now.view; // too far to be followed by the eye
  return now.top + Math.min(left, Math.max(1, Math.ceil(left * 0.35)));
}
