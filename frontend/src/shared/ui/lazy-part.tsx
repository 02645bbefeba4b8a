/** Parts that the first load of the page leaves out: loaded while the browser is idle, or when shown. */
import { type ComponentType, useLayoutEffect, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { Notice } from "./notice";

export interface StandInProps {
  /** Loads the part again after a failure; null while it is still loading. */
  retry: (() => void) | null;
}

type LazyPart<Props> = ((props: Props) => React.ReactNode) & {
  /** Loads the part, once; after a failure again. Never rejects. */
  load: () => Promise<void>;
};

const parts: Pick<LazyPart<never>, "load">[] = [];

/**
 * A component that is loaded later. One that is there is rendered at once; until then, and after a failure,
 * `StandIn` is shown with the same props.
 */
export function lazyPart<Props extends object>(
  fetchPart: () => Promise<ComponentType<Props>>,
  StandIn: ComponentType<Props & StandInProps> = PartStandIn,
): LazyPart<Props> {
  let Part: ComponentType<Props> | null = null;
  let state: "waiting" | "failed" | "ready" = "waiting";
  let loading: Promise<void> | null = null;
  const listeners = new Set<() => void>();

  const change = (next: typeof state): void => {
    state = next;
    listeners.forEach((listener) => listener());
  };
  const tryOnce = async (): Promise<void> => {
    change("waiting");
    try {
      Part = await fetchPart();
      change("ready");
    } catch {
      // The server is away, or has other files: whoever needs the part is told, and can try again.
      change("failed");
    }
    loading = null;
  };
  const load = async (): Promise<void> => {
    if (state !== "ready") await (loading ??= tryOnce());
  };
  const subscribe = (listener: () => void): (() => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };

  function Lazy(props: Props) {
    const known = useSyncExternalStore(subscribe, () => state);
    // Before the first paint: an earlier failure while idle is not shown.
    useLayoutEffect(() => void load(), []);
    if (Part !== null) return <Part {...props} />;
    return <StandIn {...props} retry={known === "failed" ? () => void load() : null} />;
  }
  const part = Object.assign(Lazy, { load });
  parts.push(part);
  return part;
}

export function PartStandIn({ retry }: StandInProps) {
  const { t } = useTranslation();
  if (retry !== null)
    return (
      <div role="alert">
        <Notice text={t("common.partMissing")} onRetry={retry} />
      </div>
    );
  return (
    <p role="status" className="text-sm text-muted">
      {t("common.loading")}
    </p>
  );
}

/** Loads one part after the other, and those that they bring with them, each when the browser is idle. */
export async function preloadParts(untilIdle: () => Promise<void> = waitUntilIdle): Promise<void> {
  for (const part of parts) {
    await untilIdle();
    await part.load();
  }
}

/** Not every browser tells when it is idle. */
const NEXT_PART_MS = 300;

function waitUntilIdle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) window.requestIdleCallback(() => resolve(), { timeout: 2000 });
    else setTimeout(resolve, NEXT_PART_MS);
  });
}
