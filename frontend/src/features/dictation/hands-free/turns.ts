/** Whose turn it is in a hands-free conversation, as one value, and how each event changes it. Pure. */

/** Why hands-free ended without being asked to. */
export type EndReason = "microphone" | "refused" | "failed";

/** What was said and is not sent yet. */
export type Turn =
  /** Nothing that is to be sent by itself. */
  | { kind: "open" }
  /** Somebody speaks. `hasWords`: utterances before this one wait in the field. */
  | { kind: "speaking"; hasWords: boolean }
  /** Speech pauses: the turn ends at `untilMs`, unless it goes on. `isFinal`: all its words are final. */
  | { kind: "pausing"; sinceMs: number; untilMs: number; isFinal: boolean; hasWords: boolean }
  /** The turn is over: it is sent as soon as the chat takes it. */
  | { kind: "due" };

export type HandsFreeState =
  | { kind: "off"; reason: EndReason | null }
  /** `sending`: the chat was asked to send, and has not taken the text yet. */
  | { kind: "on"; turn: Turn; chat: "free" | "sending" | "busy" };

export type HandsFreeEvent =
  | { type: "started"; isChatFree: boolean }
  | { type: "stopped"; reason: EndReason | null }
  /** Speech begins or goes on. */
  | { type: "speech" }
  /** Speech pauses, and the engine expects the end of the utterance. */
  | { type: "pause"; sinceMs: number; untilMs: number }
  /** An utterance has become words. The turn ends at `untilMs`, unless another utterance goes on already. */
  | { type: "words"; sinceMs: number; untilMs: number; nowMs: number; goesOn: boolean }
  /** An utterance came to nothing. */
  | { type: "nothing"; goesOn: boolean }
  /** Nothing more is said: what waits is due. */
  | { type: "said" }
  | { type: "time"; nowMs: number }
  /** The user has edited the text, or undone an utterance: it is theirs to send. */
  | { type: "edited" }
  /** The chat has taken the text. */
  | { type: "taken" }
  | { type: "chat"; isFree: boolean };

export const OFF: HandsFreeState = { kind: "off", reason: null };
const OPEN: Turn = { kind: "open" };
const DUE: Turn = { kind: "due" };

/** The state after an event. The text is to be sent where the state becomes one with `chat: "sending"`. */
export function handsFreeReducer(state: HandsFreeState, event: HandsFreeEvent): HandsFreeState {
  if (event.type === "started") {
    return state.kind === "on" ? state : { kind: "on", turn: OPEN, chat: event.isChatFree ? "free" : "busy" };
  }
  if (state.kind === "off") return state;
  if (event.type === "stopped") return { kind: "off", reason: event.reason };
  if (event.type === "chat") {
    return sendDue({ ...state, chat: event.isFree ? "free" : "busy" });
  }
  const turn = advanceTurn(state.turn, event);
  return turn === state.turn ? state : sendDue({ ...state, turn });
}

/** A turn is over with `taken` alone: the request to send may come to nothing. */
function sendDue(state: Extract<HandsFreeState, { kind: "on" }>): HandsFreeState {
  return state.turn.kind === "due" && state.chat === "free" ? { ...state, chat: "sending" } : state;
}

type TurnEvent = Exclude<HandsFreeEvent, { type: "started" | "stopped" | "chat" }>;

function advanceTurn(turn: Turn, event: TurnEvent): Turn {
  switch (event.type) {
    case "speech":
      return turn.kind === "speaking" ? turn : { kind: "speaking", hasWords: hasWords(turn) };
    case "pause": {
      const { sinceMs, untilMs } = event;
      if (turn.kind !== "speaking") return turn;
      return { kind: "pausing", sinceMs, untilMs, isFinal: false, hasWords: turn.hasWords };
    }
    case "words": {
      const { sinceMs, untilMs, nowMs } = event;
      if (event.goesOn) return { kind: "speaking", hasWords: true };
      if (untilMs <= nowMs) return DUE;
      return { kind: "pausing", sinceMs, untilMs, isFinal: true, hasWords: true };
    }
    case "nothing":
      if (event.goesOn) return turn;
      return hasWords(turn) ? DUE : OPEN; // the pause before it was long enough
    case "said":
      return hasWords(turn) ? DUE : OPEN;
    case "time":
      return turn.kind === "pausing" && turn.isFinal && event.nowMs >= turn.untilMs ? DUE : turn;
    case "edited":
      return turn.kind === "speaking" ? { kind: "speaking", hasWords: false } : OPEN;
    case "taken":
      return turn.kind === "speaking" ? { kind: "speaking", hasWords: false } : OPEN;
  }
}

function hasWords(turn: Turn): boolean {
  switch (turn.kind) {
    case "open":
      return false;
    case "due":
      return true;
    default:
      return turn.hasWords;
  }
}
