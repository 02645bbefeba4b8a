/** The choice of a microphone with a test of its sound; nothing is sent to the server. */
import { Mic, Square } from "lucide-react";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/services";
import { Select } from "@/shared/ui/fields";

import { MicrophoneProbe } from "../audio/microphone-probe";
import { toDictationOptions } from "../options";
import { SOUND_TEXTS } from "./dictation-status";
import { LevelMeter } from "./level-meter";

export function MicrophoneTest() {
  const { t } = useTranslation();
  const [settings, change] = useSettings();
  const probe = useMemo(() => new MicrophoneProbe(), []);
  const { state, sound, isHeard } = useSyncExternalStore(probe.subscribe, probe.get);
  const devices = useDevices(state.kind === "on");
  const [wasOn, setWasOn] = useState(false);
  useEffect(() => () => probe.stop(), [probe]);

  const toggle = (): void => {
    if (state.kind === "on" || state.kind === "opening") return probe.stop();
    setWasOn(true);
    void probe.start(toDictationOptions(settings).microphone);
  };
  const isOn = state.kind === "on";
  const missing = (isOn || state.kind === "opening") && sound !== "live" ? sound : null;
  const tone = isHeard ? "text-good" : "text-muted";
  return (
    <div className="space-y-3">
      <label className="setting">
        <span className="setting-label">{t("settings.microphone")}</span>
        <Select
          value={devices.some(({ deviceId }) => deviceId === settings.microphone) ? settings.microphone : ""}
          onChange={({ target }) => {
            change({ microphone: target.value });
            if (isOn)
              void probe.start({ ...toDictationOptions(settings).microphone, deviceId: target.value });
          }}
        >
          <option value="">{t("dictation.test.anyDevice")}</option>
          {devices
            .filter(({ deviceId }) => deviceId !== "default")
            .map(({ deviceId, label }, index) => (
              <option key={deviceId} value={deviceId}>
                {label || t("dictation.test.device", { number: index + 1 })}
              </option>
            ))}
        </Select>
      </label>
      <div className="flex flex-wrap items-center gap-3 setting-indent">
        <button type="button" className="button" onClick={toggle}>
          {isOn ? <Square size={15} aria-hidden /> : <Mic size={15} aria-hidden />}
          {t(isOn ? "dictation.test.stop" : "dictation.test.start")}
        </button>
        {isOn && <LevelMeter source={probe} className="min-w-24" />}
      </div>
      <p
        role="status"
        className={`setting-indent text-sm ${state.kind === "failed" ? "text-danger" : missing === null ? tone : "text-warn"}`}
      >
        {state.kind === "failed" && t(`dictation.failures.${state.failure.kind}`)}
        {missing !== null && t(SOUND_TEXTS[missing])}
        {isOn && missing === null && t(isHeard ? "dictation.test.heard" : "dictation.test.speak")}
        {state.kind === "off" && t(wasOn && isHeard ? "dictation.test.heard" : "dictation.test.private")}
      </p>
    </div>
  );
}

/** The microphones of this machine. Browsers name them once one of them may be used. */
function useDevices(isListening: boolean): MediaDeviceInfo[] {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  useEffect(() => {
    const media = navigator.mediaDevices as MediaDevices | undefined;
    if (media === undefined) return;
    let isUnmounted = false;
    const readDevices = async (): Promise<void> => {
      const all = await media.enumerateDevices();
      // Without permission the list has one entry without name and id.
      if (!isUnmounted)
        setDevices(all.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== ""));
    };
    const handleChange = (): void => void readDevices();
    handleChange();
    media.addEventListener("devicechange", handleChange);
    return () => {
      isUnmounted = true;
      media.removeEventListener("devicechange", handleChange);
    };
  }, [isListening]);
  return devices;
}
