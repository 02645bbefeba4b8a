/** An action runs where it is offered, and waits for a part of the page that is not shown yet. */
import { expect, test } from "vitest";

import { PageActions } from "./page-actions";

test("an action runs while it is offered, and once where it was asked for before", () => {
  const actions = new PageActions();
  const ran: string[] = [];
  actions.run("listen");
  expect(actions.isOffered("listen")).toBe(false);
  const leave = actions.register("listen", () => ran.push("asked before"));
  expect(ran).toEqual(["asked before"]);
  actions.run("listen");
  expect(ran).toHaveLength(2);
  leave();
  actions.register("listen", () => ran.push("shown again"));
  expect(ran).toHaveLength(2);
});

test("who leaves late does not take away the next one's action", () => {
  const actions = new PageActions();
  const ran: string[] = [];
  const leaveFirst = actions.register("listen", () => ran.push("first"));
  actions.register("listen", () => ran.push("second"));
  leaveFirst();
  actions.run("listen");
  expect(ran).toEqual(["second"]);
});
