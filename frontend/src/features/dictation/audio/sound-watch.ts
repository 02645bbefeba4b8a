/** Watches whether sound comes in from an open microphone: by the clock, and by what the browser tells. */
import type { AudioChunk } from "./recorder";

/** What comes from the microphone, from the request for it on. */
export type Sound =
  /** The browser opens the microphone, or it wakes up: a wireless one gives zeros until then. */
  | "opening"
  /** The browser asks its user whether this page may have the microphone. */
  | "asked"
  | "live"
  /** Pieces come, of zeros alone: it is switched off at the device, or the wrong one. */
  | "silent"
  /** The system, a call or another program mutes it. */
  | "muted"
  /** The audio context does not run: a call, no gesture yet, or no sound output that drives it. */
  | "suspended"
  /** Nothing comes, and the browser does not say why. */
  | "stalled";

export type SoundTrouble = Exclude<Sound, "opening" | "asked" | "live">;

/** How long no piece may come, by the clock. */
export const STALL_LIMIT_MS = 2000;
/** How often that is checked. */
const CHECK_MS = 500;
/** A check that is later than this comes from a page that slept, as its microphone did. */
const LATE_CHECK_MS = 1500;
/** How long a microphone may give nothing but zeros: at first, and later, as some devices mute pauses. */
const FIRST_SILENCE_MS = 3000;
const LATER_SILENCE_MS = 10_000;
const WIRE_BYTES_PER_MS = 32;

export interface SoundSource {
  context: Pick<AudioContext, "state" | "resume" | "addEventListener" | "removeEventListener">;
  tracks: readonly Pick<
    MediaStreamTrack,
    "muted" | "readyState" | "addEventListener" | "removeEventListener"
  >[];
}

export interface SoundWatchEvents {
  /** Called at each change. */
  onSound: (sound: Sound) => void;
  /** Called once, when a track has ended, also where the browser sends no event for it. */
  onEnded: () => void;
}

/** While the context does not run it is asked to at each check and gesture: some browsers want one. */
export class SoundWatch {
  #sound: Sound = "opening";
  #wasRunning: boolean;
  /** Whether a piece has come since the last trouble. */
  #hasPiece = false;
  #pieceAtMs = performance.now();
  #checkedAtMs = performance.now();
  #silentMs = 0;
  #hasSound = false;
  /** Whether the microphone has ever given anything but zeros. */
  #isAwake = false;
  #isMuted = false;
  readonly #timer = setInterval(() => this.#check(), CHECK_MS);

  constructor(
    private readonly source: SoundSource,
    private readonly events: SoundWatchEvents,
  ) {
    this.#wasRunning = source.context.state === "running";
    source.context.addEventListener("statechange", this.#handleState);
    for (const track of source.tracks) {
      for (const event of ["mute", "unmute"]) track.addEventListener(event, this.#judge);
      track.addEventListener("ended", this.#handleEnded);
    }
    for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, this.#revive, true);
  }

  handleChunk({ level, pcm, isMissing }: AudioChunk): void {
    if (isMissing && !this.#isMuted) return this.#judge();
    this.#hasPiece = true;
    this.#pieceAtMs = performance.now();
    this.#hasSound ||= level > 0;
    this.#isAwake ||= level > 0 || this.#isMuted;
    this.#silentMs = level > 0 || this.#isMuted ? 0 : this.#silentMs + pcm.byteLength / WIRE_BYTES_PER_MS;
    this.#judge();
  }

  /** The page mutes the microphone, which then gives zeros, or nothing. */
  mute(isMuted: boolean): void {
    this.#isMuted = isMuted;
    this.#pieceAtMs = performance.now();
    this.#silentMs = 0;
    this.#hasSound = false;
    this.#judge();
  }

  dispose(): void {
    clearInterval(this.#timer);
    this.source.context.removeEventListener("statechange", this.#handleState);
    for (const track of this.source.tracks) {
      for (const event of ["mute", "unmute"]) track.removeEventListener(event, this.#judge);
      track.removeEventListener("ended", this.#handleEnded);
    }
    for (const gesture of ["pointerdown", "keydown"]) removeEventListener(gesture, this.#revive, true);
  }

  get #isRunning(): boolean {
    return this.source.context.state === "running";
  }

  #check(): void {
    const nowMs = performance.now();
    if (nowMs - this.#checkedAtMs > LATE_CHECK_MS) this.#pieceAtMs = nowMs;
    this.#checkedAtMs = nowMs;
    if (this.source.tracks.some(({ readyState }) => readyState === "ended")) return this.#handleEnded();
    this.#revive();
    this.#judge();
  }

  readonly #handleState = (): void => {
    this.#wasRunning ||= this.#isRunning;
    this.#revive();
    this.#judge();
  };

  readonly #handleEnded = (): void => {
    this.dispose();
    this.events.onEnded();
  };

  readonly #revive = (): void => {
    if (this.#isRunning) return;
    this.source.context.resume().catch(() => undefined); // refused during a call: the next check asks again
  };

  readonly #judge = (): void => {
    const trouble = this.#findTrouble();
    if (trouble !== null && trouble !== "silent") this.#hasPiece = false;
    this.#tell(trouble ?? (this.#hasPiece && this.#isAwake ? "live" : this.#sound));
  };

  #findTrouble(): SoundTrouble | null {
    const isStalled = performance.now() - this.#pieceAtMs >= STALL_LIMIT_MS;
    if (this.source.tracks.some(({ muted }) => muted)) return "muted";
    if (!this.#isRunning && (this.#wasRunning || isStalled)) return "suspended";
    if (isStalled) return "stalled";
    const silenceLimitMs = this.#hasSound ? LATER_SILENCE_MS : FIRST_SILENCE_MS;
    return this.#silentMs >= silenceLimitMs ? "silent" : null;
  }

  #tell(sound: Sound): void {
    if (sound === this.#sound) return;
    this.#sound = sound;
    this.events.onSound(sound);
  }
}
