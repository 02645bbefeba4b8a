/** The frame around the text being composed: the field, the microphone, and the button that sends or stops. */
import { ArrowUp, LoaderCircle, Square } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";

interface Props {
  field: ReactNode;
  /** Left of the button: the microphone with its meter. */
  microphone?: ReactNode;
  /** Under the frame: the state of a dictation, a hint. */
  below?: ReactNode;
  isEmpty: boolean;
  isAnswering: boolean;
  /** The last words of a dictation are waited for. */
  isTaking: boolean;
  /** The conversation is being made. */
  isMaking: boolean;
  isStopping: boolean;
  onSend: () => void;
  onStop: () => void;
}

export function Composer({
  field,
  microphone,
  below,
  isEmpty,
  isAnswering,
  isTaking,
  isMaking,
  isStopping,
  onSend,
  onStop,
}: Props) {
  const { t } = useTranslation();
  return (
    <form
      aria-label={t("chat.composer")}
      className="mx-auto w-full max-w-3xl px-3 pb-3 sm:px-4"
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <div className="rounded-2xl border border-line bg-surface p-2 shadow-lg transition-colors focus-within:border-accent">
        {field}
        <div className="mt-1 flex items-center justify-end gap-2">
          <div className="flex min-w-0 flex-1 items-center gap-2">{microphone}</div>
          {isAnswering ? (
            <Round
              label={t(isStopping ? "chat.stopping" : "chat.stop")}
              disabled={isStopping}
              onClick={onStop}
            >
              <Square size={16} aria-hidden fill="currentColor" />
            </Round>
          ) : (
            <Round
              label={t(isTaking ? "chat.taking" : isMaking ? "chat.making" : "chat.send")}
              disabled={isEmpty || isTaking || isMaking}
            >
              {isTaking || isMaking ? (
                <LoaderCircle size={20} aria-hidden className="animate-spin" />
              ) : (
                <ArrowUp size={20} aria-hidden />
              )}
            </Round>
          )}
        </div>
      </div>
      {below}
    </form>
  );
}

interface RoundProps {
  label: string;
  disabled: boolean;
  /** Without it the button submits. */
  onClick?: () => void;
  children: ReactNode;
}

function Round({ label, disabled, onClick, children }: RoundProps) {
  return (
    <button
      type={onClick ? "button" : "submit"}
      className="grid h-10 w-10 shrink-0 place-items-center rounded-full bg-brand text-white transition hover:brightness-110 disabled:cursor-not-allowed disabled:bg-raised disabled:bg-none disabled:text-muted"
      aria-label={label}
      title={label}
      disabled={disabled}
      {...(onClick ? { onClick } : {})}
    >
      {children}
    </button>
  );
}
