/** Notices stay readable and usable over a dialog. */
import { act, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useRef } from "react";
import { afterEach, expect, test, vi } from "vitest";

import { createTestServices, renderWith } from "@/test/services";

import { Modal } from "./modal";
import { Toaster, useToastFloor } from "./toaster";

afterEach(() => void vi.unstubAllGlobals());

test("a notice lies in the uppermost window, and on the page once that is closed", async () => {
  const page = (isOpen: boolean) => (
    <>
      {isOpen && (
        <Modal title="a window" onClose={() => undefined}>
          text
        </Modal>
      )}
      <Toaster />
    </>
  );
  const services = createTestServices();
  const { rerender } = renderWith(services, page(true));
  let undone = 0;
  act(
    () =>
      void services.toasts.show({
        text: "gone",
        tone: "info",
        action: { label: "Undo", run: () => (undone += 1) },
      }),
  );
  expect(within(screen.getByRole("dialog")).getByText("gone")).toBeVisible();
  rerender(page(false));
  expect(screen.getByText("gone")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Undo" }));
  expect(undone).toBe(1);
  expect(screen.queryByText("gone")).toBeNull();
});

test("notices begin above what they must not cover, for as long as that is there", () => {
  let report: () => void = () => undefined;
  class Observer {
    constructor(callback: () => void) {
      report = callback;
    }
    observe(): void {}
    disconnect(): void {}
  }
  vi.stubGlobal("ResizeObserver", Observer);
  vi.spyOn(HTMLElement.prototype, "offsetHeight", "get").mockReturnValue(420);
  function Floor() {
    const floor = useRef<HTMLDivElement>(null);
    useToastFloor(floor);
    return <div ref={floor} />;
  }
  const page = (hasFloor: boolean) => (
    <>
      {hasFloor && <Floor />}
      <Toaster />
    </>
  );
  const { rerender } = renderWith(createTestServices(), page(true));
  const notices = screen.getByTestId("told").parentElement;
  act(() => report());
  expect(notices?.style.getPropertyValue("--floor")).toBe("420px");
  rerender(page(false));
  expect(notices?.style.getPropertyValue("--floor")).toBe("0px");
});
