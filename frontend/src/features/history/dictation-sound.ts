/** The sound of one dictation: loaded at the first play, played, and where it is. */
import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

import { useServices } from "@/shared/services";

export type SoundState = "off" | "loading" | "on" | "failed";

/**
 * Plays the sound of a dictation by an `audio` element. A browser sends no token with one: with accounts the
 * sound is fetched as a whole, else the element reads what it needs.
 */
export function useDictationSound(id: string, element: RefObject<HTMLAudioElement | null>) {
  const { api, session } = useServices();
  const [state, setState] = useState<SoundState>("off");
  const [source, setSource] = useState<string | null>(null);
  /** Where the first play begins. */
  const firstMs = useRef(0);
  useEffect(() => () => (source?.startsWith("blob:") ? URL.revokeObjectURL(source) : undefined), [source]);
  const load = useCallback(async (): Promise<void> => {
    setState("loading");
    const path = `/api/dictations/${encodeURIComponent(id)}/audio?format=wav`;
    try {
      const needsToken = (await session.token()) !== null;
      setSource(needsToken ? URL.createObjectURL(await (await api.response(path)).blob()) : path);
    } catch {
      setState("failed"); // whatever it was: it can be tried again
    }
  }, [api, id, session]);
  const play = useCallback(
    (ms: number): void => {
      const audio = element.current;
      if (source === null || audio === null) {
        firstMs.current = ms;
        return void load();
      }
      audio.currentTime = ms / 1000;
      void audio.play().catch(() => setState("failed"));
    },
    [element, load, source],
  );
  /** To be called once the element knows how long it is. */
  const begin = useCallback((): void => {
    const audio = element.current;
    if (audio === null || state === "on") return;
    setState("on");
    audio.currentTime = firstMs.current / 1000;
    void audio.play().catch(() => undefined); // the browser may want another press: its controls are there
  }, [element, state]);
  const fail = useCallback(() => setState("failed"), []);
  const spokenMs = usePosition(element, state === "on");
  return { source, state, spokenMs, play, begin, fail, retry: load };
}

/** Where the sound is, at each frame while it plays; null before the first play. */
function usePosition(element: RefObject<HTMLAudioElement | null>, isOn: boolean): number | null {
  const [ms, setMs] = useState<number | null>(null);
  useEffect(() => {
    const audio = element.current;
    if (!isOn || audio === null) return;
    let frame = 0;
    const look = (): void => {
      setMs(Math.round(audio.currentTime * 1000));
      if (!audio.paused) frame = requestAnimationFrame(look);
    };
    const restart = (): void => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(look);
    };
    audio.addEventListener("play", restart);
    audio.addEventListener("seeked", restart);
    restart();
    return () => {
      cancelAnimationFrame(frame);
      audio.removeEventListener("play", restart);
      audio.removeEventListener("seeked", restart);
    };
  }, [element, isOn]);
  return ms;
}
