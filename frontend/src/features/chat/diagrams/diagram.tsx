/** A diagram: drawn in a frame without an origin while it is near the screen; by choice its code. */
import { ChartNetwork, Code, ImageDown, RotateCw } from "lucide-react";
import { memo, type ReactNode, type RefObject, useContext, useEffect, useRef, useState } from "react";

import { saveFile } from "@/shared/api/download";
import { WordedCopyButton } from "@/shared/ui/copy-button";

import { BlockButton, CodeBlock } from "../markdown/code-block";
import { WordsContext } from "../markdown/words-context";
import {
  type DrawRequest,
  FRAME_ADDRESS,
  isTooLarge,
  makeForcedPalette,
  type Palette,
  readFrameMessage,
  readPalette,
} from "./diagram-messages";

/** Why a diagram is not drawn. */
type Problem = "broken" | "slow" | "large" | "missing";

/** What draws is a megabyte, which is loaded once. */
const LOAD_MS = 30_000;
/** A drawing that takes longer is given up, and its frame with it. */
const DRAW_MS = 8_000;
/** So far from the screen a diagram is drawn; farther away its frame is let go. */
const NEAR_PX = 1200;
const FIRST_HEIGHT_PX = 160;
/** A frame may change its height as often as a window is made wider by hand, and not for ever. */
const MOST_SIZES = 400;
const MOST_SPOKEN_CHARS = 2000;

export const Diagram = memo(function Diagram({ code }: { code: string }) {
  const t = useContext(WordsContext);
  const [problem, setProblem] = useState<Problem | null>(isTooLarge(code) ? "large" : null);
  const [showsCode, setShowsCode] = useState(false);
  if (problem === null && !showsCode)
    return <Drawing code={code} onProblem={setProblem} onCode={() => setShowsCode(true)} />;
  const canTryAgain = problem === "slow" || problem === "missing";
  const button: ReactNode = problem === null && (
    <BlockButton label={t("chat.diagram.show")} Icon={ChartNetwork} onClick={() => setShowsCode(false)} />
  );
  return (
    <>
      {problem !== null && (
        <p className="diagram-problem">
          {t(`chat.diagram.problems.${problem}`)}
          {canTryAgain && (
            <button type="button" className="button-quiet" onClick={() => setProblem(null)}>
              <RotateCw size={16} aria-hidden />
              {t("common.retry")}
            </button>
          )}
        </p>
      )}
      <CodeBlock code={code} language="mermaid" buttons={button} />
    </>
  );
});

interface DrawingProps {
  code: string;
  onProblem: (problem: Problem) => void;
  onCode: () => void;
}

function Drawing({ code, onProblem, onCode }: DrawingProps) {
  const t = useContext(WordsContext);
  const [svg, setSvg] = useState<string | null>(null);
  const [heightPx, setHeightPx] = useState(FIRST_HEIGHT_PX);
  const place = useRef<HTMLDivElement>(null);
  const isNear = useNear(place);
  const isUndrawn = !isNear || svg === null;
  return (
    <figure
      className="code-block"
      aria-label={t("chat.diagram.title")}
      aria-busy={svg === null}
      data-source={code}
    >
      <figcaption>
        <span className="block-title">{t("chat.diagram.title")}</span>
        <BlockButton label={t("chat.diagram.showCode")} Icon={Code} onClick={onCode} />
        {svg !== null && (
          <BlockButton
            label={t("chat.diagram.download")}
            Icon={ImageDown}
            onClick={() => saveFile(new Blob([svg], { type: "image/svg+xml" }), "diagram.svg")}
          />
        )}
        <WordedCopyButton text={code} label={t("chat.copyCode")} t={t} />
      </figcaption>
      <div ref={place} className="diagram" data-undrawn={isUndrawn || undefined} style={{ height: heightPx }}>
        {isNear && (
          <DiagramFrame
            code={code}
            label={t("chat.diagram.text", { code: code.slice(0, MOST_SPOKEN_CHARS) })}
            onDrawn={setSvg}
            onHeight={setHeightPx}
            onProblem={onProblem}
          />
        )}
        {isUndrawn && (
          <pre className="diagram-source" dir="ltr">
            {code}
          </pre>
        )}
      </div>
    </figure>
  );
}

interface FrameProps {
  code: string;
  label: string;
  onDrawn: (svg: string) => void;
  onHeight: (px: number) => void;
  onProblem: (problem: Problem) => void;
}

function DiagramFrame({ code, label, onDrawn, onHeight, onProblem }: FrameProps) {
  const frame = useRef<HTMLIFrameElement>(null);
  const palette = usePalette();
  const [isReady, setReady] = useState(false);
  const [isDrawn, setDrawn] = useState(false);
  useEffect(() => {
    let sizes = 0;
    const listen = ({ source, origin, data }: MessageEvent<unknown>): void => {
      if (source === null || source !== frame.current?.contentWindow || origin !== "null") return;
      const message = readFrameMessage(data);
      if (message?.type === "ready") setReady(true);
      if (message?.type === "size" && (sizes += 1) <= MOST_SIZES) onHeight(message.heightPx);
      if (message?.type === "broken") onProblem("broken");
      if (message?.type !== "drawn") return;
      setDrawn(true);
      onDrawn(message.svg);
    };
    addEventListener("message", listen);
    return () => removeEventListener("message", listen);
  }, [onDrawn, onHeight, onProblem]);
  useEffect(() => {
    if (!isReady) return;
    setDrawn(false);
    const request: DrawRequest = { type: "draw", code, palette: JSON.parse(palette) as Palette };
    // A frame without an origin has no other address.
    frame.current?.contentWindow?.postMessage(request, "*");
  }, [isReady, code, palette]);
  useEffect(() => {
    if (isDrawn) return;
    const problem = isReady ? "slow" : "missing";
    const timer = setTimeout(() => onProblem(problem), isReady ? DRAW_MS : LOAD_MS);
    return () => clearTimeout(timer);
  }, [isReady, isDrawn, onProblem]);
  return <iframe ref={frame} sandbox="allow-scripts" src={FRAME_ADDRESS} aria-label={label} />;
}

/** Whether an element is on the screen or near it. */
function useNear(place: RefObject<HTMLElement | null>): boolean {
  const [isNear, setNear] = useState(!("IntersectionObserver" in window));
  useEffect(() => {
    if (!place.current || !("IntersectionObserver" in window)) return;
    const observer = new IntersectionObserver((entries) => setNear(entries.at(-1)?.isIntersecting === true), {
      root: findScroller(place.current), // a margin counts for the root alone
      rootMargin: `${NEAR_PX}px`,
    });
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [place]);
  return isNear;
}

/** What scrolls around an element. */
function findScroller(inside: Element): Element | null {
  for (let around = inside.parentElement; around; around = around.parentElement)
    if (/auto|scroll/.test(getComputedStyle(around).overflowY)) return around;
  return null;
}

/** The colours of the page as JSON: a text that is the same while they are. */
function usePalette(): string {
  const [palette, setPalette] = useState(findPalette);
  useEffect(() => {
    const observer = new MutationObserver(() => setPalette(findPalette()));
    observer.observe(document.documentElement, { attributes: true });
    const forced = matchMedia(FORCED);
    const follow = (): void => setPalette(findPalette());
    forced.addEventListener("change", follow);
    return () => {
      observer.disconnect();
      forced.removeEventListener("change", follow);
    };
  }, []);
  return palette;
}

const FORCED = "(forced-colors: active)";

function findPalette(): string {
  const style = getComputedStyle(document.documentElement);
  const isDark = document.documentElement.classList.contains("dark");
  const fontPx = Number.parseFloat(style.fontSize) || 16;
  const { backgroundColor, color } = getComputedStyle(document.body);
  if (matchMedia(FORCED).matches) return JSON.stringify(makeForcedPalette(fontPx, backgroundColor, color));
  return JSON.stringify(readPalette(isDark, fontPx, (name) => style.getPropertyValue(name)));
}
