/** Follows the end of text that grows, and stops when the reader scrolls away. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useState } from "react";

export interface Scroll {
  /** All in CSS pixels. */
  top: number;
  height: number;
  view: number;
}

/** A reader this close to the end is at the end. */
export const NEAR_PX = 40;
/** A smaller movement is the browser's rounding. */
const MOVED_PX = 1.5;

export function measureDistanceToEnd({ top, height, view }: Scroll): number {
  return Math.max(0, height - view - top);
}

/**
 * Whether to follow after a scroll from `before` to `now`: going up stops it, coming to the end starts it
 * again.
 */
export function shouldFollow(isFollowing: boolean, before: Scroll, now: Scroll): boolean {
  // Text that gets shorter and a composer that grows move the page without the reader. Text that grows does
  // not: a fast answer grows in every frame, and the reader can still leave its end.
  const byReader = now.height >= before.height && before.view === now.view;
  if (byReader && now.top < before.top - MOVED_PX) return false;
  return measureDistanceToEnd(now) <= NEAR_PX ? true : isFollowing;
}

/** Where to scroll in the next frame on the way to the end: fast from afar, and never past it. */
export function computeNextTop(now: Scroll): number {
  const left = measureDistanceToEnd(now);
  if (left > now.view) return now.height - now.view; // too far for the eye to follow
  return now.top + Math.min(left, Math.max(1, Math.ceil(left * 0.35)));
}

/** What the scroll position is compared with, and whether the end is followed. */
interface FollowState {
  isFollowing: boolean;
  last: Scroll;
}

/**
 * Keep the end of growing text in sight until the reader scrolls away, and again once they come back.
 *
 * @param place names what is shown: another one starts at its end
 * @param isStill the content starts at its beginning and is not followed
 */
export function useFollowScroll(
  box: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  place: string,
  isStill: boolean,
) {
  const state = useState<FollowState>(() => ({ isFollowing: true, last: { top: 0, height: 0, view: 0 } }))[0];
  const [isAway, setAway] = useState(false);

  const scrollToEnd = useCallback(() => {
    state.isFollowing = true;
    setAway(false);
    const element = box.current;
    if (!element) return;
    element.scrollTop = element.scrollHeight;
    state.last = readScroll(element);
  }, [box, state]);

  useLayoutEffect(() => {
    if (!isStill) return scrollToEnd();
    state.isFollowing = false;
    if (box.current) box.current.scrollTop = 0;
  }, [box, state, scrollToEnd, place, isStill]);

  useEffect(() => {
    if (!box.current || !content.current) return;
    return followGrowth(box.current, content.current, state, setAway);
  }, [box, content, state]);

  /** Stop following: the reader was taken to another place, and stays there. */
  const stopFollowing = useCallback(() => void (state.isFollowing = false), [state]);

  return { isAway, scrollToEnd, stopFollowing };
}

/** Listen to growth and to scrolling. Returns a function that ends it. */
function followGrowth(
  element: HTMLElement,
  content: HTMLElement,
  state: FollowState,
  onAway: (isAway: boolean) => void,
): () => void {
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  let frame = 0;
  const reportAway = (scroll: Scroll): void =>
    onAway(!state.isFollowing && measureDistanceToEnd(scroll) > NEAR_PX);
  const step = (): void => {
    frame = 0;
    if (!state.isFollowing) return;
    const now = readScroll(element);
    if (measureDistanceToEnd(now) < 1) return;
    element.scrollTop = reducedMotion.matches ? now.height : computeNextTop(now);
    state.last = readScroll(element);
    if (measureDistanceToEnd(state.last) >= 1) frame = requestAnimationFrame(step);
  };
  const handleGrowth = (): void => {
    if (frame === 0) frame = requestAnimationFrame(step);
    reportAway(readScroll(element));
  };
  const handleScroll = (): void => {
    const now = readScroll(element);
    state.isFollowing = shouldFollow(state.isFollowing, state.last, now);
    state.last = now;
    reportAway(now);
  };
  const handleClick = ({ target }: Event): void => {
    // Details that were opened are for reading: their summary stays where it was clicked.
    if (target instanceof Element && target.closest("summary")) state.isFollowing = false;
  };
  const observer = new ResizeObserver(handleGrowth);
  observer.observe(content);
  observer.observe(element);
  element.addEventListener("scroll", handleScroll, { passive: true });
  element.addEventListener("click", handleClick);
  return () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
    element.removeEventListener("scroll", handleScroll);
    element.removeEventListener("click", handleClick);
  };
}

function readScroll({ scrollTop, scrollHeight, clientHeight }: HTMLElement): Scroll {
  return { top: scrollTop, height: scrollHeight, view: clientHeight };
}
