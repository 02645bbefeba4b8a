/** A long conversation begins with its last messages; those before come as its reader goes up to them. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/** A screen or two. Two thousand at once keep a browser busy for seconds, and each word typed after for one more. */
export const AT_ONCE = 40;
/** Begun before the reader is there. */
const AHEAD = "1500px 0px 0px 0px";

/** Shown before the one that is looked for. */
const BEFORE = 5;

/** `hidden`: how many of the first are not shown yet. `edge` is for what stands in their place. */
export function useEarlier(count: number, box: RefObject<HTMLElement | null>, foundAt = -1) {
  const [hiddenMost, setHidden] = useState(Math.max(0, count - AT_ONCE));
  const most = foundAt < 0 ? Infinity : Math.max(0, foundAt - BEFORE);
  const hidden = Math.min(hiddenMost, most, Math.max(0, count - AT_ONCE)); // another branch may be shorter
  const edge = useRef<HTMLButtonElement>(null);
  const fromEnd = useRef<number | null>(null);

  const showMore = useCallback(() => {
    if (box.current) fromEnd.current = box.current.scrollHeight - box.current.scrollTop;
    setHidden(Math.max(0, hidden - AT_ONCE));
  }, [box, hidden]);

  // What is read stays where it is, while more comes above it.
  useLayoutEffect(() => {
    if (fromEnd.current !== null && box.current)
      box.current.scrollTop = box.current.scrollHeight - fromEnd.current;
    fromEnd.current = null;
  }, [box, hidden]);

  useEffect(() => {
    if (!edge.current) return;
    const seen = (entries: readonly IntersectionObserverEntry[]): void => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) showMore();
    };
    const observer = new IntersectionObserver(seen, { root: box.current, rootMargin: AHEAD });
    observer.observe(edge.current);
    return () => observer.disconnect();
  }, [box, showMore]);

  return { hidden, edge, showMore };
}
