/** Keeps the screen on: a phone that goes to sleep stops listening. */

import { useEffect } from "react";

export function useWakeLock(isWanted: boolean): void {
  useEffect(() => {
    // Old browsers have none, and pages without https neither.
    const wakeLock = navigator.wakeLock as WakeLock | undefined;
    if (!isWanted || wakeLock === undefined) return;
    let held: WakeLockSentinel | null = null;
    let isOver = false;
    const hold = async (): Promise<void> => {
      if (document.visibilityState !== "visible") return;
      try {
        const sentinel = await wakeLock.request("screen");
        if (isOver) await sentinel.release();
        else held = sentinel;
      } catch {
        // Refused, with a low battery for instance: dictation works without.
      }
    };
    const again = (): void => void hold(); // a page that was hidden has lost it
    void hold();
    document.addEventListener("visibilitychange", again);
    return () => {
      isOver = true;
      document.removeEventListener("visibilitychange", again);
      void held?.release();
    };
  }, [isWanted]);
}
