/** Notices a microphone that gives nothing at all: switched off at the device, or by the system. Pure. */

/** How long nothing but zeros may come. */
const PATIENCE_MS = 3000;

export class SilenceWatch {
  #silentMs = 0;
  #hasSound = false;

  /** Whether there has been no sound at all, for too long. After any there may be: some devices mute every pause. */
  hear(level: number, ms: number): boolean {
    this.#hasSound ||= level > 0;
    this.#silentMs += ms;
    return !this.#hasSound && this.#silentMs >= PATIENCE_MS;
  }

  /** It was muted, and begins anew. */
  reset(): void {
    this.#silentMs = 0;
    this.#hasSound = false;
  }
}
