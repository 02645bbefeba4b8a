/** Form controls with their labels: a choice, segments, a switch, and the section around them. */
import { ChevronDown } from "lucide-react";
import { type ComponentProps, type ReactNode, useId } from "react";

interface ChoiceProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
  hint?: ReactNode;
}

export function Choice<T extends string>({ label, value, options, onChange, hint }: ChoiceProps<T>) {
  const id = useId();
  const hintId = useId();
  return (
    <div className="setting">
      <label htmlFor={id} className="setting-label">
        {label}
      </label>
      <div>
        <Select
          id={id}
          value={value}
          aria-describedby={hint ? hintId : undefined}
          onChange={(event) => onChange(event.target.value as T)}
        >
          {options.map(([key, text]) => (
            <option key={key} value={key}>
              {text}
            </option>
          ))}
        </Select>
        {hint && (
          <p id={hintId} className="mt-1 text-xs text-muted">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}

export function Segments<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const name = useId();
  return (
    <fieldset className="setting">
      <legend>
        <span className="setting-label">{label}</span>
      </legend>
      <div className="clear-both flex flex-wrap rounded-lg border border-line bg-page p-1">
        {options.map(([key, text]) => (
          <label
            key={key}
            className="flex min-h-target flex-auto cursor-pointer items-center justify-center rounded-md px-2 py-1.5 sm:whitespace-nowrap text-center text-sm text-muted has-[:checked]:bg-raised has-[:checked]:font-medium has-[:checked]:ring-1 has-[:checked]:ring-inset has-[:checked]:ring-control has-[:checked]:text-ink has-[:focus-visible]:outline has-[:focus-visible]:outline-2 has-[:focus-visible]:outline-accent"
          >
            <input
              type="radio"
              className="sr-only"
              name={name}
              value={key}
              checked={key === value}
              onChange={() => onChange(key)}
            />
            {text}
          </label>
        ))}
      </div>
    </fieldset>
  );
}

interface SwitchProps {
  label: string;
  hint?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

export function Switch({ label, hint, checked, onChange }: SwitchProps) {
  const hintId = useId();
  return (
    <label className="flex min-h-target cursor-pointer items-center justify-between gap-4 py-1">
      <span className="text-sm">
        {label}
        {hint && (
          <span id={hintId} className="block text-xs text-muted">
            {hint}
          </span>
        )}
      </span>
      <input
        type="checkbox"
        role="switch"
        aria-label={label}
        aria-describedby={hint ? hintId : undefined}
        className="relative h-6 w-11 shrink-0 cursor-pointer appearance-none rounded-full bg-control transition-colors before:absolute before:left-0.5 before:top-0.5 before:size-5 before:rounded-full before:bg-surface before:transition-transform checked:bg-accent checked:before:translate-x-5"
        checked={checked}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}

export function Section({ title, children }: { title: string; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="rounded-2xl border border-line bg-surface p-4 sm:p-6">
      <h2 id={id} className="mb-4 text-base font-semibold">
        {title}
      </h2>
      <div className="settings space-y-4">{children}</div>
    </section>
  );
}

/** The browser's own select, with its arrow inside the field. */
export function Select(props: ComponentProps<"select">) {
  return (
    <span className="relative block">
      <select {...props} className="field cursor-pointer appearance-none truncate pr-9" />
      <ChevronDown size={16} aria-hidden className="pointer-events-none absolute right-3 top-3 text-muted" />
    </span>
  );
}
