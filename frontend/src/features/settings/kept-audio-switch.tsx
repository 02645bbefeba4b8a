/** Whether the sound of dictations is kept for a while, to be played and heard again. */
import { useTranslation } from "react-i18next";

import { useChangeKeepsAudio, useMySettings } from "@/shared/api/kept-audio";
import { Switch } from "@/shared/ui/fields";

/** Nothing is shown where the server keeps none. */
export function KeptAudioSwitch() {
  const { t } = useTranslation();
  const { data } = useMySettings();
  const change = useChangeKeepsAudio();
  if (data === undefined || data.audio_hours <= 0) return null;
  const isOn = change.isPending ? change.variables : data.keep_audio;
  const hours = data.audio_hours;
  const time =
    hours % 24 === 0
      ? t("settings.keepDays", { count: hours / 24 })
      : t("settings.keepHours", { count: hours });
  return (
    <>
      <Switch
        label={t("settings.keepAudio")}
        hint={t("settings.keepAudioHint", { time })}
        checked={isOn}
        onChange={(keepsAudio) => change.mutate(keepsAudio)}
      />
      {change.isError && (
        <p role="alert" className="text-xs text-danger">
          {t("settings.keepAudioFailed")}
        </p>
      )}
    </>
  );
}
