/** The microphones of this machine, as they come and go. Browsers tell their names once one of them may be used. */

import { useEffect, useState } from "react";

export function useDevices(isListening: boolean): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (media === undefined) return;
    let isOver = false;
    const look = async (): Promise<void> => {
      const all = await media.enumerateDevices();
      // Before permission there is one nameless entry without an id.
      if (!isOver) setDevices(all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== ""));
    };
    const changed = (): void => void look();
    changed();
    media.addEventListener("devicechange", changed);
    return () => {
      isOver = true;
      media.removeEventListener("devicechange", changed);
    };
  }, [isListening]);
  return devices;
}
