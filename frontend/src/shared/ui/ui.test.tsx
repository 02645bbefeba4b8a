/** What lies over the page lets a notice be read and used, and hints tell what to type. */
import { act, render, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";

import { Modal } from "./modal";
import { Toaster } from "./toaster";
import { toasts } from "./toasts";
import { WithCode } from "./with-code";

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
  const { rerender } = render(page(true));
  let undone = 0;
  act(
    () =>
      void toasts.show({ text: "gone", tone: "info", action: { label: "Undo", run: () => (undone += 1) } }),
  );
  expect(within(screen.getByRole("dialog")).getByText("gone")).toBeVisible();
  rerender(page(false));
  expect(screen.getByText("gone")).toBeVisible();
  await userEvent.click(screen.getByRole("button", { name: "Undo" }));
  expect(undone).toBe(1);
  expect(screen.queryByText("gone")).toBeNull();
});

test("commands and names of settings are code, the rest is prose", () => {
  const { container } = render(
    <WithCode text="run `make web`, or set OPENAI_BASE_URL and __API_KEY of an OpenAI server" />,
  );
  expect([...container.querySelectorAll("code")].map((code) => code.textContent)).toEqual([
    "make web",
    "OPENAI_BASE_URL",
    "__API_KEY",
  ]);
  expect(container).toHaveTextContent(
    "run make web, or set OPENAI_BASE_URL and __API_KEY of an OpenAI server",
  );
});
