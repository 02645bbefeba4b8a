/** What is seen when a component fails: a sentence and a way on, instead of an empty page. */
import { Component, type ReactNode } from "react";
import { useTranslation } from "react-i18next";

export class ErrorBoundary extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? <Failed /> : this.props.children;
  }
}

function Failed() {
  const { t } = useTranslation();
  return (
    <div role="alert" className="grid h-full place-items-center p-4">
      <div className="flex flex-col items-center gap-4 text-center">
        <p>{t("common.somethingFailed")}</p>
        <button type="button" className="button-brand" onClick={() => location.reload()}>
          {t("common.reload")}
        </button>
      </div>
    </div>
  );
}
