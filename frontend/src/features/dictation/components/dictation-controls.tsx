/** The buttons of dictation: microphone, mute, hands-free, and undo of the last utterance. */

import {
  Infinity as HandsFreeIcon,
  LoaderCircle,
  Mic,
  MicOff,
  Square,
  Undo2,
  Volume2,
  VolumeX,
} from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

import { useSettings } from "@/shared/services";

import { getNextUndoKind } from "../composer/model";
import type { Dictation } from "../dictation";
import { useComposerModel, useDictationView } from "../dictation-context";
import { isRecording } from "../dictation-state";
import type { HandsFree } from "../hands-free/hands-free";
import { CountdownRing } from "./countdown-ring";
import { LevelMeter } from "./level-meter";
import { useMicrophonePress } from "./push-to-talk";
import { useHandsFreeState } from "./use-hands-free";

interface Props {
  dictation: Dictation;
  handsFree: HandsFree;
  /** Called when the microphone was pressed with the mouse, to focus the field. */
  onMouse: () => void;
}

export function DictationControls({ dictation, handsFree, onMouse }: Props) {
  const { t } = useTranslation();
  const { state } = useDictationView(dictation);
  const model = useComposerModel(dictation);
  const isHandsFree = useHandsFreeState(handsFree).kind === "on";
  const [{ readsAloud }, change] = useSettings();
  const isOn = isRecording(state);
  const isMuted = "isMuted" in state && state.isMuted;
  const undoKind = getNextUndoKind(model);
  const canUndo = undoKind === "utterance" || undoKind === "withdrawal";
  const isDeaf = isMuted || ("sound" in state && state.sound !== "live" && state.sound !== "recovered");
  return (
    <div role="group" aria-label={t("dictation.region")} className="contents">
      <MicrophoneButton dictation={dictation} handsFree={handsFree} onMouse={onMouse} />
      <ToolButton
        label={t(isHandsFree ? "handsFree.stop" : "handsFree.start")}
        isOn={isHandsFree}
        onClick={handsFree.toggle}
      >
        <HandsFreeIcon size={18} aria-hidden />
        <span className={isOn || canUndo ? "hidden sm:inline" : ""}>{t("handsFree.name")}</span>
      </ToolButton>
      {handsFree.reading.isAvailable && (
        <ToolButton
          label={t("handsFree.readAloud")}
          isRare={isOn}
          isPressed={readsAloud}
          onClick={() => {
            change({ readsAloud: !readsAloud });
            if (!readsAloud) handsFree.reading.prime();
          }}
        >
          {readsAloud ? <Volume2 size={18} aria-hidden /> : <VolumeX size={18} aria-hidden />}
        </ToolButton>
      )}
      {canUndo && (
        <ToolButton
          label={t(undoKind === "withdrawal" ? "dictation.bringBack" : "dictation.undo")}
          onClick={() => dictation.composer.dispatch({ type: "undo" })}
        >
          <Undo2 size={18} aria-hidden />
          {undoKind === "withdrawal" && <span className="hidden sm:inline">{t("dictation.bringBack")}</span>}
        </ToolButton>
      )}
      {isOn && (
        <>
          <LevelMeter
            source={dictation}
            className={`mx-1 min-w-0 sm:min-w-12 ${isDeaf ? "opacity-40" : ""}`}
          />
          <ToolButton
            label={t(isMuted ? "dictation.unmute" : "dictation.mute")}
            isOn={isMuted}
            onClick={() => dictation.mute(!isMuted)}
          >
            {isMuted ? <MicOff size={18} aria-hidden /> : <Mic size={18} aria-hidden />}
          </ToolButton>
        </>
      )}
    </div>
  );
}

function MicrophoneButton({ dictation, handsFree, onMouse }: Props) {
  const { t } = useTranslation();
  const press = useMicrophonePress(dictation, onMouse);
  const { state } = useDictationView(dictation);
  const isOn = isRecording(state);
  const label = t(isOn ? "dictation.stop" : "dictation.start");
  const isBusy = state.kind === "opening" || state.kind === "reconnecting" || state.kind === "finishing";
  const look = isOn
    ? "bg-danger/15 text-danger hover:bg-danger/25"
    : "bg-brand text-on-fill hover:bg-fill-end hover:bg-none";
  return (
    <button
      type="button"
      className={`relative touch-none select-none [-webkit-touch-callout:none] grid size-[44px] shrink-0 place-items-center rounded-full transition ${look}`}
      aria-label={label}
      title={label}
      data-state={state.kind}
      {...press}
    >
      {isBusy && (
        <LoaderCircle size={44} strokeWidth={1} className="absolute animate-spin text-accent" aria-hidden />
      )}
      <CountdownRing state={useHandsFreeState(handsFree)} />
      {isOn ? <Square size={16} fill="currentColor" aria-hidden /> : <Mic size={20} aria-hidden />}
    </button>
  );
}

interface ToolButtonProps {
  label: string;
  /** It looks pressed. `isPressed` also says so, where the label stays the same. */
  isOn?: boolean | undefined;
  isPressed?: boolean;
  /** It gives way where there is little room. */
  isRare?: boolean;
  onClick: () => void;
  children: ReactNode;
}

function ToolButton({
  label,
  isPressed,
  isOn = isPressed,
  isRare = false,
  onClick,
  children,
}: ToolButtonProps) {
  return (
    <button
      type="button"
      className={`button-quiet ${isRare ? "max-sm:hidden" : ""} ${isOn ? "bg-accent/15 text-accent" : ""}`}
      data-on={isOn}
      aria-label={label}
      aria-pressed={isPressed}
      title={label}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
