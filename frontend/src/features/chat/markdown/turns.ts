/** Turns for work that is divided, such as reading a long text: one in a task, so that keys come between. */

/** The newest last: it is most likely what is looked at. */
const waiting: (() => void)[] = [];
let timer: ReturnType<typeof setTimeout> | null = null;

/** Call a function once, in a task that has no other turn. Returns a function that gives the turn up. */
export function waitForTurn(work: () => void): () => void {
  const turn = (): void => work();
  waiting.push(turn);
  timer ??= setTimeout(giveTurn);
  return () => {
    const at = waiting.indexOf(turn);
    if (at >= 0) waiting.splice(at, 1);
  };
}

function giveTurn(): void {
  const turn = waiting.pop();
  timer = null;
  turn?.();
  if (waiting.length > 0) timer ??= setTimeout(giveTurn);
}
