/** Where sound is recorded: an audio context and its worklet, running before there is a microphone to listen to. */

import type { Piece } from "./recorder";
import workletUrl from "./recorder.worklet.ts?worker&url";

/** How long the audio thread may take to answer, and a context to run. */
const ANSWER_MS = 300;
const ANSWERS = { flush: "flushed", end: "over" } as const;
type Question = keyof typeof ANSWERS;
type Answer = (typeof ANSWERS)[Question];

export class Desk {
  onPiece: (piece: Piece) => void = () => undefined;
  readonly #answered = new Set<(answer: Answer) => void>();

  private constructor(
    readonly context: AudioContext,
    readonly node: AudioWorkletNode,
  ) {
    node.port.onmessage = ({ data }: MessageEvent<Piece | Answer>) => {
      if (typeof data === "string") this.#answered.forEach((answered) => answered(data));
      else this.onPiece(data);
    };
  }

  /** Rejects where the browser has none, or no more of them. */
  static async make(): Promise<Desk> {
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await context.audioWorklet.addModule(workletUrl);
      const desk = new Desk(
        context,
        new AudioWorkletNode(context, "prompter-recorder", { numberOfOutputs: 0 }),
      );
      await desk.resume();
      return desk;
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  /** Run, where the browser allows it: one that wants a gesture or a microphone first keeps such a call waiting. */
  async resume(): Promise<void> {
    if (this.context.state !== "suspended") return;
    await inTime(this.context.resume());
  }

  /** Resolves when the audio thread has done so, and all that it said before was heard. */
  async ask(question: Question): Promise<void> {
    let done: (answer: Answer) => void = () => undefined;
    const answer = new Promise<void>((resolve) => {
      done = (answer) => answer === ANSWERS[question] && resolve();
    });
    this.#answered.add(done);
    this.node.port.postMessage(question);
    await inTime(answer);
    this.#answered.delete(done);
  }

  /** In this order: of a context that is closed before its worklet is over Chromium keeps everything for good. */
  async close(): Promise<void> {
    this.onPiece = () => undefined;
    await this.ask("end");
    this.node.port.onmessage = null;
    this.node.port.close();
    if (this.context.state !== "closed") await this.context.close();
  }
}

async function inTime(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ANSWER_MS)));
  await Promise.race([work, late]);
  clearTimeout(timer);
}
