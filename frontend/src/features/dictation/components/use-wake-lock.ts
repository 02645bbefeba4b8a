/** Keeps the screen on while dictating: a phone that sleeps stops recording. */
import { useEffect } from "react";

export function useWakeLock(isWanted: boolean): void {
  useEffect(() => {
    // Old browsers and pages without https have no wake lock.
    const wakeLock = navigator.wakeLock as WakeLock | undefined;
    if (!isWanted || wakeLock === undefined) return;
    let sentinel: WakeLockSentinel | null = null;
    let isUnmounted = false;
    const request = async (): Promise<void> => {
      if (document.visibilityState !== "visible") return;
      try {
        const granted = await wakeLock.request("screen");
        if (isUnmounted) await granted.release();
        else sentinel = granted;
      } catch {
        // Refused, for example with a low battery: dictation works without it.
      }
    };
    const handleVisibility = (): void => void request(); // a hidden page has lost its lock
    void request();
    document.addEventListener("visibilitychange", handleVisibility);
    return () => {
      isUnmounted = true;
      document.removeEventListener("visibilitychange", handleVisibility);
      void sentinel?.release();
    };
  }, [isWanted]);
}
