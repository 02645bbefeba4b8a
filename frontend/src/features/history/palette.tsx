/** The jump palette: type, choose with the arrow keys, and be there. Loaded later. */
import { ArrowRight, FileAudio, MessageSquare, TextSearch, X, Zap } from "lucide-react";
import { type KeyboardEvent, useId, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLocation } from "wouter";

import { isComposing, isEnter } from "@/shared/lib/keyboard";
import { useModal } from "@/shared/ui/modal";

import { useHiddenConversations } from "./deletions-context";
import { findOptions, type PaletteAction, type PaletteOption } from "./palette-options";
import { useConversations, useSearch } from "./queries";
import { Snippet } from "./search-results";

interface PaletteProps {
  /** What the page does, besides going to conversations. */
  actions: readonly PaletteAction[];
  onClose: () => void;
}

export function Palette({ actions, onClose }: PaletteProps) {
  const { t } = useTranslation();
  const ref = useModal();
  const listId = useId();
  const [typed, setTyped] = useState("");
  const choice = useChoice(typed, actions);
  const run = useRun(onClose);
  const { groups, active } = choice;
  const handleKey = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && event.key.toLowerCase() === "k") onClose();
    else if (event.key === "ArrowDown") choice.move(1);
    else if (event.key === "ArrowUp") choice.move(-1);
    else if (isEnter(event)) {
      if (active !== null) run(active);
    } else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={ref}
      aria-label={t("history.palette.title")}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
      className="mt-[6dvh] max-h-[84dvh] w-[calc(100%-1.5rem)] max-w-xl flex-col overflow-hidden rounded-2xl border border-line bg-surface p-0 text-ink shadow-2xl backdrop:bg-black/60 open:flex"
    >
      <div className="flex items-center gap-1 border-b border-line pl-4 pr-1.5">
        <TextSearch size={18} aria-hidden className="shrink-0 text-muted" />
        <input
          data-first
          role="combobox"
          aria-expanded={groups.length > 0}
          aria-controls={listId}
          aria-activedescendant={active === null ? undefined : optionId(listId, active)}
          aria-autocomplete="list"
          aria-label={t("history.palette.hint")}
          placeholder={t("history.palette.placeholder")}
          className="min-h-14 min-w-0 flex-1 bg-transparent px-2 text-base outline-none placeholder:text-muted focus-visible:outline-none"
          autoComplete="off"
          spellCheck={false}
          maxLength={500}
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          onKeyDown={handleKey}
        />
        <button
          type="button"
          className="button-quiet min-h-11 min-w-11"
          aria-label={t("common.close")}
          onClick={onClose}
        >
          <X size={18} aria-hidden />
        </button>
      </div>
      <div
        id={listId}
        role="listbox"
        aria-label={t("history.results")}
        className="relative min-h-0 overflow-y-auto p-2"
      >
        {groups.map(({ kind, options }) => (
          <div key={kind} role="group" aria-label={t(`history.palette.groups.${kind}`)}>
            <p aria-hidden className="px-3 pb-1 pt-2 text-xs font-medium text-muted">
              {t(`history.palette.groups.${kind}`)}
            </p>
            {options.map((option) => (
              <Option
                key={option.key}
                id={optionId(listId, option)}
                option={option}
                isActive={option.key === active?.key}
                onPoint={() => choice.choose(option)}
                onRun={() => run(option)}
              />
            ))}
          </div>
        ))}
      </div>
      <p role="status" className={groups.length === 0 ? "px-5 pb-5 pt-3 text-sm text-muted" : "sr-only"}>
        {groups.length === 0
          ? choice.isSettled && t("history.nothingFound", { words: typed.trim() })
          : t("history.palette.found", { count: choice.count })}
      </p>
    </dialog>
  );
}

const optionId = (listId: string, { key }: PaletteOption): string => `${listId}-${key.replace(/\W/g, "-")}`;

/** The options for what is typed, and the one that Enter runs: the first one, until another one is chosen. */
function useChoice(typed: string, actions: readonly PaletteAction[]) {
  const { conversations } = useConversations(useHiddenConversations());
  const { data: hits = [], words, isFetching } = useSearch(typed);
  const [chosen, setChosen] = useState<{ key: string; typed: string } | null>(null);
  const groups = findOptions(typed, actions, conversations, typed.trim() === "" ? [] : hits);
  const options = groups.flatMap((group) => group.options);
  const chosenKey = chosen?.typed === typed ? chosen.key : null;
  const at = Math.max(
    0,
    options.findIndex(({ key }) => key === chosenKey),
  );
  const choose = (option: PaletteOption | undefined): void =>
    option === undefined ? undefined : setChosen({ key: option.key, typed });
  return {
    groups,
    count: options.length,
    active: options[at] ?? null,
    /** Whether the server has answered for these words. */
    isSettled: words === typed.trim() && !isFetching,
    choose,
    move: (step: 1 | -1) => choose(options.at((at + step) % options.length)),
  };
}

function useRun(onClose: () => void): (option: PaletteOption) => void {
  const [, go] = useLocation();
  return (option) => {
    onClose();
    if (option.kind === "action") option.action.run();
    else go(option.path);
  };
}

interface OptionProps {
  id: string;
  option: PaletteOption;
  isActive: boolean;
  onPoint: () => void;
  onRun: () => void;
}

function Option({ id, option, isActive, onPoint, onRun }: OptionProps) {
  const ref = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (isActive) ref.current?.scrollIntoView({ block: "nearest" });
  }, [isActive]);
  return (
    // The focus stays in the field, which has the keys.
    <div
      ref={ref}
      id={id}
      role="option"
      aria-selected={isActive}
      className={`flex min-h-11 cursor-pointer items-center gap-2.5 rounded-lg px-3 py-1.5 text-sm ${isActive ? "bg-raised" : ""}`}
      onPointerMove={onPoint}
      onMouseDown={(event) => event.preventDefault()}
      onClick={onRun}
    >
      <OptionContent option={option} />
      {isActive && <ArrowRight size={15} aria-hidden className="shrink-0 text-muted" />}
    </div>
  );
}

function OptionContent({ option }: { option: PaletteOption }) {
  if (option.kind === "action")
    return (
      <>
        <Zap size={15} aria-hidden className="shrink-0 text-accent" />
        <span className="min-w-0 flex-1 truncate">{option.action.name}</span>
        <span aria-hidden className="hidden shrink-0 gap-1 sm:flex">
          {option.action.keys.map((key) => (
            <kbd
              key={key}
              className="rounded-md border border-line bg-page px-1.5 py-0.5 font-sans text-xs text-muted"
            >
              {key}
            </kbd>
          ))}
        </span>
      </>
    );
  if (option.kind === "conversation")
    return (
      <>
        <MessageSquare size={15} aria-hidden className="shrink-0 text-muted" />
        <span className="min-w-0 flex-1 truncate">{option.title}</span>
      </>
    );
  const Icon = option.hit.kind === "dictation" ? FileAudio : TextSearch;
  return (
    <>
      <Icon size={15} aria-hidden className="shrink-0 text-muted" />
      <span className="min-w-0 flex-1">
        <span className="line-clamp-2 break-words">
          <Snippet hit={option.hit} />
        </span>
        {option.hit.title !== null && (
          <span className="block truncate text-xs text-muted">{option.hit.title}</span>
        )}
      </span>
    </>
  );
}
