/** A list is one stop of Tab; arrows move within it; the focus is not lost with what is taken away. */
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { expect, test } from "vitest";

import { useRovingFocus } from "./roving-focus";

function List({ wraps = false, current = "" }: { wraps?: boolean; current?: string }) {
  const list = useRovingFocus<HTMLUListElement>(wraps);
  const [names, setNames] = useState(["a", "b", "c"]);
  return (
    <>
      <button>before</button>
      <ul ref={list}>
        {names.map((name) => (
          <li key={name} data-entry-row>
            <button data-entry aria-current={name === current ? "page" : undefined}>
              {name}
            </button>
            <button data-entry-action onClick={() => setNames(names.filter((one) => one !== name))}>
              remove {name}
            </button>
          </li>
        ))}
        {names.length < 5 && (
          <li>
            <button data-entry onClick={() => setNames([...names, `d${names.length}`, `e${names.length}`])}>
              more
            </button>
          </li>
        )}
      </ul>
      <button>behind</button>
    </>
  );
}

const button = (name: string) => screen.getByRole("button", { name });
const press = (keys: string) => userEvent.keyboard(keys);

test("Tab enters at the current entry, and leaves from any", async () => {
  render(<List current="b" />);
  button("before").focus();
  await userEvent.tab();
  expect(button("b")).toHaveFocus();
  await press("{ArrowDown}{ArrowDown}{ArrowDown}");
  expect(button("more")).toHaveFocus();
  await press("{Home}");
  expect(button("a")).toHaveFocus();
  await press("{ArrowUp}");
  expect(button("a")).toHaveFocus();
  await userEvent.tab();
  expect(button("behind")).toHaveFocus();
  await userEvent.tab({ shift: true });
  expect(button("a")).toHaveFocus(); // where one was
});

test("the right arrow reaches the buttons of an entry, and the left one leads back", async () => {
  render(<List />);
  button("a").focus();
  await press("{ArrowDown}{ArrowRight}");
  expect(button("remove b")).toHaveFocus();
  await press("{ArrowRight}");
  expect(button("remove b")).toHaveFocus();
  await press("{ArrowLeft}");
  expect(button("b")).toHaveFocus();
  await press("{ArrowRight}{ArrowDown}");
  expect(button("c")).toHaveFocus();
});

test("a menu goes round", async () => {
  render(<List wraps />);
  button("a").focus();
  await press("{ArrowUp}");
  expect(button("more")).toHaveFocus();
  await press("{ArrowDown}");
  expect(button("a")).toHaveFocus();
});

test("the focus goes to what stands in the place of what was removed", async () => {
  render(<List />);
  button("b").focus();
  await press("{ArrowRight}{Enter}");
  await waitFor(() => expect(button("c")).toHaveFocus());
  await press("{End}{Enter}"); // more are added, and the button stays
  expect(button("more")).toHaveFocus();
  await press("{Enter}"); // and now it goes
  await waitFor(() => expect(screen.queryByRole("button", { name: "more" })).toBeNull());
  await waitFor(() => expect(document.activeElement).toHaveAttribute("data-entry"));
});

test("the focus of another place is left alone", async () => {
  render(<List />);
  button("a").focus();
  button("before").focus();
  await userEvent.click(button("remove c"));
  button("behind").focus();
  await waitFor(() => expect(screen.queryByRole("button", { name: "c" })).toBeNull());
  expect(button("behind")).toHaveFocus();
});
