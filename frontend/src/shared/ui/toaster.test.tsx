/** Notices stay readable and usable over a dialog. */
import { act, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";

import { createTestServices, renderWith } from "@/test/services";

import { Modal } from "./modal";
import { Toaster } from "./toaster";

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
