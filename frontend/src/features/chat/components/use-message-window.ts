/** Shows the last messages of a long conversation; earlier ones are added as the reader scrolls up. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

/**
 * A screen or two. Two thousand messages would block the browser for seconds, and again for each word typed.
 */
export const WINDOW_SIZE = 40;
/** More messages are added before the reader arrives. */
const LOAD_MARGIN = "1500px 0px 0px 0px";

/** How many messages are shown above the one that a search found. */
const CONTEXT_ABOVE = 5;

/**
 * `hidden` is the number of first messages that are not shown. `edge` refers to the button in their place.
 *
 * @param foundAt index of a message that must be shown; negative for none
 */
export function useMessageWindow(count: number, box: RefObject<HTMLElement | null>, foundAt = -1) {
  const [maxHidden, setHidden] = useState(Math.max(0, count - WINDOW_SIZE));
  const hiddenByFound = foundAt < 0 ? Infinity : Math.max(0, foundAt - CONTEXT_ABOVE);
  // Another branch may be shorter.
  const hidden = Math.min(maxHidden, hiddenByFound, Math.max(0, count - WINDOW_SIZE));
  const edge = useRef<HTMLButtonElement>(null);
  const fromEnd = useRef<number | null>(null);

  const showMore = useCallback(() => {
    if (box.current) fromEnd.current = box.current.scrollHeight - box.current.scrollTop;
    setHidden(Math.max(0, hidden - WINDOW_SIZE));
  }, [box, hidden]);

  // Keep the reading position while messages are added above it.
  useLayoutEffect(() => {
    if (fromEnd.current !== null && box.current)
      box.current.scrollTop = box.current.scrollHeight - fromEnd.current;
    fromEnd.current = null;
  }, [box, hidden]);

  useEffect(() => {
    if (!edge.current) return;
    const handleEntries = (entries: readonly IntersectionObserverEntry[]): void => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) showMore();
    };
    const observer = new IntersectionObserver(handleEntries, { root: box.current, rootMargin: LOAD_MARGIN });
    observer.observe(edge.current);
    return () => observer.disconnect();
  }, [box, showMore]);

  return { hidden, edge, showMore };
}
