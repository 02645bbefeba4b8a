/** Which keys are held to speak, and where they mean something else. Pure. */

const TEXT =
  "input:not([type=checkbox],[type=radio],[type=button],[type=range]), textarea, select, [contenteditable=true]";
/** What Space presses when it has the focus. */
const PRESSABLE =
  "button, a[href], summary, input, [role=menuitem], [role=button], [role=tab], [role=option], [role=switch]";

/** Whether holding this key down there is meant for the microphone. */
export function isForTalking(code: string, chosen: string, target: EventTarget | null): boolean {
  if (code !== chosen) return false;
  if (!(target instanceof Element)) return true;
  if (writes(code) && target.closest(TEXT) !== null) return isEmptyComposer(target);
  return !(code === "Space" && target.closest(PRESSABLE) !== null);
}

/** The composer has the focus most of the time, and no text begins with a space: held there, the key is for talking. */
function isEmptyComposer(target: Element): boolean {
  return target instanceof HTMLTextAreaElement && "composer" in target.dataset && target.value === "";
}

/** Whether the key puts a character where text is written, or moves about in it. */
function writes(code: string): boolean {
  return !/^(F\d+|Control|Alt|Shift|Pause|ScrollLock|Insert|CapsLock|ContextMenu|Media|Launch|Browser)/u.test(
    code,
  );
}
