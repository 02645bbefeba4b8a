/** The box of a task in a list: for reading only, and named for those who do not see it. */
import { useTranslation } from "react-i18next";

export function TaskBox({ isDone }: { isDone: boolean }) {
  const { t } = useTranslation();
  return (
    <input type="checkbox" disabled checked={isDone} aria-label={t(isDone ? "chat.done" : "chat.toDo")} />
  );
}
