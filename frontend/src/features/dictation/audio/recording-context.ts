/** An audio context with the worklet that records: it runs before the microphone is opened. */
import type { ChannelVerdict } from "./channel-watch";
import type { AudioChunk } from "./recorder";
import workletUrl from "./recorder.worklet.ts?worker&url";

/** The longest wait for an answer of the audio thread, and for a context to run. */
const ANSWER_TIMEOUT_MS = 300;
/** The commands to the audio thread, each with its answer. */
const ANSWERS = { flush: "flushed", end: "over" } as const;
type Command = keyof typeof ANSWERS;
type Answer = (typeof ANSWERS)[Command];
type Verdict = Exclude<ChannelVerdict, "unknown">;

/** The page could not load its worklet: the server is away, or has the worklet of another version. */
export class RecorderMissingError extends Error {
  constructor(readonly kind: "no_server" | "new_version") {
    super(kind);
    this.name = "RecorderMissingError";
  }
}

/** Make the browser store the worklet with the page: so recording starts also while the server is away. */
export async function preloadRecorder(): Promise<void> {
  try {
    const answer = await fetch(workletUrl, { priority: "low" });
    await answer.arrayBuffer();
  } catch {
    // The server is away: the first recording asks again.
  }
}

export class RecordingContext {
  onChunk: (chunk: AudioChunk) => void = () => undefined;
  /** Called once, when the microphone has been compared with what the browser made of it. */
  onVerdict: (verdict: Verdict) => void = () => undefined;
  readonly #answerListeners = new Set<(answer: Answer) => void>();

  private constructor(
    readonly context: AudioContext,
    readonly node: AudioWorkletNode,
  ) {
    node.port.onmessage = ({ data }: MessageEvent<AudioChunk | Answer | Verdict>) => {
      if (data === "fine" || data === "cancelled") this.onVerdict(data);
      else if (typeof data === "string") this.#answerListeners.forEach((listener) => listener(data));
      else this.onChunk(data);
    };
  }

  /**
   * Rejects where the browser has no audio worklets, or cannot create another context.
   *
   * @throws RecorderMissingError
   */
  static async create(): Promise<RecordingContext> {
    const context = new AudioContext({ latencyHint: "interactive" });
    try {
      await addWorklet(context);
      const recording = new RecordingContext(
        context,
        new AudioWorkletNode(context, "prompter-recorder", { numberOfInputs: 2, numberOfOutputs: 0 }),
      );
      await recording.resume();
      return recording;
    } catch (error) {
      await context.close();
      throw error;
    }
  }

  /**
   * Start the clock. A browser that first wants a gesture or a microphone does not answer: waits a limited
   * time. During a call it refuses: sound-watch.ts asks again.
   */
  async resume(): Promise<void> {
    if (this.context.state === "running") return;
    await waitAtMost(this.context.resume().catch(() => undefined));
  }

  /** Resolves when the audio thread has carried out the command and all its earlier chunks have arrived. */
  async send(command: Command): Promise<void> {
    let settle: (answer: Answer) => void = () => undefined;
    const answer = new Promise<void>((resolve) => {
      settle = (answer) => answer === ANSWERS[command] && resolve();
    });
    this.#answerListeners.add(settle);
    this.node.port.postMessage(command);
    await waitAtMost(answer);
    this.#answerListeners.delete(settle);
  }

  /** The worklet ends first: Chromium never frees a context that is closed before its worklet. */
  async close(): Promise<void> {
    this.onChunk = () => undefined;
    await this.send("end");
    this.node.port.onmessage = null;
    this.node.port.close();
    if (this.context.state !== "closed") await this.context.close();
  }
}

async function addWorklet({ audioWorklet }: AudioContext): Promise<void> {
  try {
    await audioWorklet.addModule(workletUrl);
  } catch (error) {
    // Browsers have one error for a server that is away, a file that is gone, and code that they do not know.
    const answer = await fetch(workletUrl, { cache: "no-store" }).catch(() => null);
    if (answer?.ok !== true) throw new RecorderMissingError(answer === null ? "no_server" : "new_version");
    throw error;
  }
}

async function waitAtMost(work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, ANSWER_TIMEOUT_MS)));
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}
