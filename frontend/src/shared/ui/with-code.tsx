/** The server's hints, with what is to be typed set apart from the prose. */

/** Between backticks, or with the look of a setting's name or a command that installs. */
const TO_TYPE = /`([^`]+)`|((?:[A-Z]+_|__)[A-Z_]*[A-Z]|pip install '[^']+')/;

export function WithCode({ text }: { text: string }) {
  return text.split(TO_TYPE).map((part, place) =>
    place % 3 === 0 || part === undefined ? (
      part
    ) : (
      <code key={place} className="break-words rounded bg-raised px-1 py-0.5 text-xs text-ink">
        {part}
      </code>
    ),
  );
}
