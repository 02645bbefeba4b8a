/** What must still be done before a log-out takes away the right to do it. */

type Work = () => Promise<void>;

const works = new Set<Work>();

/** Returns what takes it back. */
export function beforeLeaving(work: Work): () => void {
  works.add(work);
  return () => void works.delete(work);
}

/** Done with all of it, or failed: a log-out waits for no longer than that. */
export async function leaving(): Promise<void> {
  await Promise.allSettled([...works].map((work) => work()));
}
