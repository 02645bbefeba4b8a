/** A block of code with its language, its colours, and buttons for it. The code may still grow. */
import { Download, type LucideIcon, TextWrap } from "lucide-react";
import { memo, type ReactNode, useContext, useEffect, useRef, useState } from "react";

import { saveFile } from "@/shared/api/download";
import { WordedCopyButton } from "@/shared/ui/copy-button";

import { nameCodeFile } from "./code-files";
import { type ColouredText, isSamePiece, splitColoured, splitLines } from "./coloured-lines";
import type { highlight as Highlight } from "./highlight";
import { waitForTurn } from "./turns";
import { CodeWrapContext, WordsContext } from "./words-context";

interface Props {
  code: string;
  language: string;
  /** Buttons of whoever shows the code as one of two views. */
  buttons?: ReactNode;
}

export const CodeBlock = memo(function CodeBlock({ code, language, buttons }: Props) {
  const t = useContext(WordsContext);
  const wrap = useContext(CodeWrapContext);
  const colours = useHighlight(code, language);
  const name = language || t("chat.plainText");
  return (
    <figure
      className={wrap.isOn ? "code-block wraps-code" : "code-block"}
      aria-label={t("chat.code", { language: name })}
    >
      <figcaption>
        <span className="block-title">{name}</span>
        {buttons}
        <BlockButton label={t("chat.wrapCode")} Icon={TextWrap} isOn={wrap.isOn} onClick={wrap.toggle} />
        <BlockButton
          label={t("chat.downloadCode")}
          Icon={Download}
          onClick={() => saveFile(new Blob([code], { type: "text/plain" }), nameCodeFile(language))}
        />
        <WordedCopyButton text={code} label={t("chat.copyCode")} t={t} />
      </figcaption>
      {/* Focusable, so that it can be scrolled by keyboard. */}
      <pre tabIndex={0} dir="ltr">
        <code>
          <Lines code={code} colours={colours} />
        </code>
      </pre>
    </figure>
  );
});

interface BlockButtonProps {
  label: string;
  Icon: LucideIcon;
  onClick: () => void;
  /** Of a button that is on or off. */
  isOn?: boolean;
}

export function BlockButton({ label, Icon, onClick, isOn }: BlockButtonProps) {
  return (
    <button
      type="button"
      className="button-quiet"
      aria-label={label}
      title={label}
      aria-pressed={isOn}
      onClick={onClick}
    >
      <Icon size={16} aria-hidden />
    </button>
  );
}

/** The coloured pieces, and after them what has come since. */
const Lines = memo(function Lines({ code, colours }: { code: string; colours: Colours | null }) {
  const rest = code.slice(colours?.code.length ?? 0);
  const isWithinLine = colours !== null && !colours.code.endsWith("\n");
  const lineEnd = isWithinLine ? rest.indexOf("\n") + 1 || rest.length : 0;
  const coloured = colours?.pieces ?? [];
  return (
    <>
      {coloured.map((piece, index) => (
        <ColouredPiece
          key={index}
          piece={piece}
          added={index === coloured.length - 1 ? rest.slice(0, lineEnd) : ""}
        />
      ))}
      {(rest.length > lineEnd ? splitLines(rest.slice(lineEnd)) : []).map((text, index) => (
        <PlainPiece key={`plain ${index}`} text={text} />
      ))}
    </>
  );
});

/** A block of its own: the browser lays out only the one that grows. */
const PlainPiece = memo(function PlainPiece({ text }: { text: string }) {
  return <span className="block">{text}</span>;
});

const ColouredPiece = memo(
  function ColouredPiece({ piece, added }: { piece: readonly ColouredText[]; added: string }) {
    return (
      <span className="block">
        {piece.map(({ classes, text }, index) => (
          <Coloured key={index} classes={classes}>
            {text}
          </Coloured>
        ))}
        {added}
      </span>
    );
  },
  (before, now) => before.added === now.added && isSamePiece(before.piece, now.piece),
);

function Coloured({ classes, children }: { classes: readonly string[]; children: ReactNode }) {
  return classes.reduceRight((inner, name) => <span className={name}>{inner}</span>, children);
}

const MIN_PAUSE_MS = 100;
/** Colouring takes at most a fifth of the time. */
const PAUSE_FACTOR = 5;
const MAX_COLOURED_CHARS = 60_000;
/** Colouring holds up the page for no longer than this; longer code is coloured as far as that goes. */
const MAX_COLOURING_MS = 20;
/** So much is coloured before it is known how long a language takes here. */
const FIRST_CHARS = 5000;
const msPerChar = new Map<string, number>();

/** `code` is the part that is coloured; what has come since is plain. */
interface Colours {
  code: string;
  pieces: readonly (readonly ColouredText[])[];
}

/** The part of the code that is coloured in the time that there is: whole lines, where it is not all. */
function cutToTime(code: string, language: string): string {
  const rate = msPerChar.get(language);
  const limit = Math.min(MAX_COLOURED_CHARS, rate === undefined ? FIRST_CHARS : MAX_COLOURING_MS / rate);
  return code.length <= limit ? code : code.slice(0, code.lastIndexOf("\n", limit) + 1);
}

/** The highlighter is loaded with the first block, and runs less often the longer it takes. */
function useHighlight(code: string, language: string): Colours | null {
  const [colours, setColours] = useState<Colours | null>(null);
  const latest = useRef({ code, language });
  /** Gives up what is planned; null where nothing is. */
  const giveUp = useRef<(() => void) | null>(null);
  const pauseMs = useRef(MIN_PAUSE_MS);
  const coloured = colours?.code ?? "";
  useEffect(() => {
    latest.current = { code, language };
    if (!language || giveUp.current !== null || cutToTime(code, language) === coloured) return;
    const colourLatest = async (): Promise<void> => {
      const wanted = latest.current;
      const part = cutToTime(wanted.code, wanted.language);
      const found = await colour(part, wanted.language);
      giveUp.current = null;
      if (!found) return;
      pauseMs.current = Math.max(MIN_PAUSE_MS, found.tookMs * PAUSE_FACTOR);
      if (part.length >= 1000) msPerChar.set(wanted.language, found.tookMs / part.length);
      setColours({ code: part, pieces: splitColoured(found.tree) });
    };
    const timer = setTimeout(() => {
      giveUp.current = waitForTurn(() => void colourLatest());
    }, pauseMs.current);
    giveUp.current = () => clearTimeout(timer);
  }, [code, language, coloured]);
  useEffect(
    () => () => {
      giveUp.current?.();
      giveUp.current = null;
    },
    [],
  );
  return colours && code.startsWith(colours.code) ? colours : null;
}

async function colour(code: string, language: string): ReturnType<typeof Highlight> {
  try {
    const { highlight } = await import("./highlight");
    return await highlight(code, language);
  } catch {
    return null; // The highlighter cannot be loaded now: code is readable without colours.
  }
}
