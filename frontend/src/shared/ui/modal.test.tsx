/** A dialog is left by Escape or a press beside it only where nothing is lost. */
import { fireEvent, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";

import { createTestServices, renderWith } from "@/test/services";

import { Modal } from "./modal";

test.each([
  [false, 2],
  [true, 0],
])("with something typed in it: %s", (isUnsaved, timesLeft) => {
  const onClose = vi.fn();
  renderWith(
    createTestServices(),
    <Modal title="a window" onClose={onClose}>
      <form data-unsaved={isUnsaved} />
    </Modal>,
  );
  const dialog = screen.getByRole("dialog");
  const isTaken = !fireEvent.keyDown(dialog, { key: "Escape" }); // Chrome closes at the second one by itself
  expect(isTaken).toBe(isUnsaved);
  fireEvent(dialog, new Event("cancel", { cancelable: true }));
  fireEvent.click(dialog);
  expect(onClose).toHaveBeenCalledTimes(timesLeft);
  fireEvent.click(screen.getByRole("button", { name: "Close" }));
  expect(onClose).toHaveBeenCalledTimes(timesLeft + 1);
});
