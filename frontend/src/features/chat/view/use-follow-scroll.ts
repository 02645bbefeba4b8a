/** Keeps the end of growing text in sight until its reader scrolls away, and again once they come back. */
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";

import { distance, follows, NEAR_PX, nextTop, type Scroll } from "./follow-scroll";

/** `place`: of what is shown; with another one it begins at the end, or where `isStill` at the beginning, to stay there. */
export function useFollowScroll(
  box: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  place: string | null,
  isStill: boolean,
) {
  const following = useRef(true);
  const last = useRef<Scroll>({ top: 0, height: 0, view: 0 });
  const [away, setAway] = useState(false);

  const toEnd = useCallback(() => {
    following.current = true;
    setAway(false);
    const element = box.current;
    if (!element) return;
    element.scrollTop = element.scrollHeight;
    last.current = scrollOf(element);
  }, [box]);

  useLayoutEffect(() => {
    if (!isStill) return toEnd();
    following.current = false;
    if (box.current) box.current.scrollTop = 0;
  }, [box, toEnd, place, isStill]);

  useEffect(() => {
    const element = box.current;
    if (!element || !content.current) return;
    let frame = 0;
    const step = (): void => {
      frame = 0;
      if (!following.current) return;
      const now = scrollOf(element);
      if (distance(now) < 1) return;
      element.scrollTop = stillness.matches ? now.height : nextTop(now);
      last.current = scrollOf(element);
      if (distance(last.current) >= 1) frame = requestAnimationFrame(step);
    };
    const grown = (): void => {
      if (frame === 0) frame = requestAnimationFrame(step);
      setAway(!following.current && distance(scrollOf(element)) > NEAR_PX);
    };
    const scrolled = (): void => {
      const now = scrollOf(element);
      following.current = follows(following.current, last.current, now);
      last.current = now;
      setAway(!following.current && distance(now) > NEAR_PX);
    };
    const opened = ({ target }: Event): void => {
      // What is unfolded is to be read: its head stays where it was pressed.
      if (target instanceof Element && target.closest("summary")) following.current = false;
    };
    const stillness = matchMedia("(prefers-reduced-motion: reduce)");
    const observer = new ResizeObserver(grown);
    observer.observe(content.current);
    observer.observe(element);
    element.addEventListener("scroll", scrolled, { passive: true });
    element.addEventListener("click", opened);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      element.removeEventListener("scroll", scrolled);
      element.removeEventListener("click", opened);
    };
  }, [box, content]);

  /** Its reader has been taken elsewhere, and stays there. */
  const stay = useCallback(() => void (following.current = false), []);

  return { away, toEnd, stay };
}

function scrollOf({ scrollTop, scrollHeight, clientHeight }: HTMLElement): Scroll {
  return { top: scrollTop, height: scrollHeight, view: clientHeight };
}
