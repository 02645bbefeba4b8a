/** Tool calls on the screen: folded, as plain text, waiting for approval, refused. */
import { screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { ToolEvent } from "@/shared/api/types";
import { FakeApi, json, refusal } from "@/test/fake-api";
import { createTestServices, renderWith } from "@/test/services";

import { type ShownMessage, toShownMessages } from "../stream/shown-messages";
import { AnswerBody, useToolCalls } from "./answer-body";
import { ApprovalAnnouncer } from "./approval-card";
import { CALL, newToolEvent, RESULT } from "./fake-tool-calls";

const NOW = "2026-11-21T04:00:00Z";
const ASKED = newToolEvent("approval_required", { message_id: "a", expires_at: "2026-11-21T04:05:00Z" });

function answer(
  content: string,
  tool_events: ToolEvent[],
  status: "complete" | "streaming" = "complete",
): ShownMessage {
  const nothing = {
    parent_id: null,
    version_ids: [],
    reasoning: null,
    timestamp: "",
    model: null,
    provider: null,
  };
  const [shown] = toShownMessages([
    {
      ...nothing,
      id: "a",
      role: "assistant",
      content,
      status,
      finish_reason: null,
      usage: null,
      client_message_id: null,
      error: null,
      tool_events,
      attachments: [],
    },
  ]);
  if (!shown) throw new Error("no message");
  return shown;
}

function Answer({ message }: { message: ShownMessage }) {
  return (
    <>
      <AnswerBody message={message} calls={useToolCalls(message)} />
      <ApprovalAnnouncer message={message} />
    </>
  );
}

let server: FakeApi;
beforeEach(() => {
  vi.spyOn(Date, "now").mockReturnValue(Date.parse(NOW));
  server = new FakeApi();
  vi.stubGlobal("fetch", server.fetch);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const PATH = "POST /api/messages/a/approvals/call_1";
const press = (name: string) => userEvent.click(screen.getByRole("button", { name }));
const folded = () => screen.getByTestId("tool-call");

describe("a call", () => {
  it("is a line in its place, and opens to what was asked and given", async () => {
    const there = (event: ToolEvent) => ({ ...event, text: 8 });
    const { container } = renderWith(
      createTestServices(),
      <Answer message={answer("I look. It is sent.", [there(CALL), there(RESULT)])} />,
    );
    expect(container.textContent).toMatch(/^I look\..*Looks up an order.*done.*12 ms.*It is sent\./);
    expect(container.querySelector("pre")).toBeNull();
    expect(container).not.toHaveTextContent(/get_order_details|loft/);
    await userEvent.click(screen.getByText("Looks up an order"));
    expect(await screen.findByRole("group", { name: "Details" })).toHaveTextContent(
      '{ "order_id": "ORD001" }',
    );
    expect(screen.getByRole("group", { name: "Result" })).toHaveTextContent('{ "found": true }');
    const technical = screen.getByText("For whoever runs the server").closest("details");
    expect(technical).not.toHaveAttribute("open");
    expect(technical).toHaveTextContent("loft, get_order_details");
  });

  it("shows markup as text, and says that there was more", async () => {
    const hostile = "<img src=x onerror=alert(1)> **bold** [x](javascript:alert(1))";
    const result = newToolEvent("tool_result", { result: hostile, truncated: true, ms: 1500 });
    const { container } = renderWith(createTestServices(), <Answer message={answer("", [CALL, result])} />);
    expect(folded()).toHaveTextContent("1.5 s");
    await userEvent.click(screen.getByText("Looks up an order"));
    expect(await screen.findByRole("group", { name: "Result" })).toHaveTextContent(hostile);
    expect(container.querySelector("img, a, strong")).toBeNull();
    expect(folded()).toHaveTextContent("The result was longer than the assistant may read.");
  });

  it("does not call a tool of somebody else what ours does", () => {
    const events = [newToolEvent("tool_call", { toolset: "plugin" })];
    renderWith(createTestServices(), <Answer message={answer("", events, "streaming")} />);
    expect(folded()).toHaveTextContent("Uses a tool: Get order details, from Pluginrunning…");
  });

  it.each([
    ["tool_timeout", "failed: it took too long; whether it was done is unknown"],
    ["tool_failed", "failed"],
    ["denied", "not allowed"],
    ["approval_expired", "not allowed in time"],
    ["stopped", "stopped"],
  ])("tells why there is no result (%s)", async (code, said) => {
    const error = newToolEvent("tool_error", { code, error: "the shop <b>is</b> shut", ms: null });
    renderWith(createTestServices(), <Answer message={answer("", [CALL, error])} />);
    expect(folded()).toHaveTextContent(said);
    await userEvent.click(screen.getByText("Looks up an order"));
    expect(await screen.findByRole("group", { name: "Reason" })).toHaveTextContent("the shop <b>is</b> shut");
  });
});

describe("a tool that asks", () => {
  it.each([
    ["Approve", true],
    ["Deny", false],
  ])("is told %s, once", async (button, approved) => {
    server.on(PATH, () => json({ call_id: "call_1", decision: "…" }));
    renderWith(createTestServices(), <Answer message={answer("", [CALL, ASKED], "streaming")} />);
    const card = screen.getByRole("region", {
      name: "The assistant asks for your approval: Looks up an order",
    });
    expect(card).toHaveTextContent('{ "order_id": "ORD001" }');
    expect(
      within(card)
        .getByText(/get_order_details/)
        .closest("details"),
    ).not.toHaveAttribute("open");
    expect(within(card).getByText("Looks up an order")).toBeVisible();
    expect(within(card).getByRole("timer")).toHaveTextContent("5:00 left");
    await press(button);
    await press(button);
    expect(server.requests.map(({ body }) => body)).toEqual([{ approved }]);
    expect(card).toHaveTextContent("Sending to the server…");
  });

  it.each([
    ["approval_over", 409, "decided already, or came too late"],
    ["not_found", 404, "That did not work. It is no longer there."],
  ])("says what the server refused (%s)", async (code, status, said) => {
    server.on(PATH, () => refusal(status, code));
    renderWith(createTestServices(), <Answer message={answer("", [CALL, ASKED], "streaming")} />);
    await press("Approve");
    await waitFor(() =>
      expect(within(screen.getByRole("region")).getByRole("alert")).toHaveTextContent(said),
    );
  });

  it("can be told again when the server was not there", async () => {
    renderWith(createTestServices(), <Answer message={answer("", [CALL, ASKED], "streaming")} />);
    await press("Deny");
    await waitFor(() =>
      expect(screen.getByRole("region")).toHaveTextContent("Nothing was decided; try again."),
    );
    server.on(PATH, () => json({ call_id: "call_1", decision: "denied" }));
    await press("Deny");
    await waitFor(() => expect(server.requests).toHaveLength(2));
  });

  it("is an alert; what came of it is said when nobody dictates", () => {
    const services = createTestServices();
    const { rerender } = renderWith(services, <Answer message={answer("", [CALL, ASKED], "streaming")} />);
    const alert = screen.getByRole("alert");
    expect(alert).toHaveTextContent(
      "The assistant asks for your approval: Looks up an order. Press Alt and A to go there.",
    );
    const decided = newToolEvent("approval_decided", { decision: "expired" });
    rerender(<Answer message={answer("", [CALL, ASKED, decided], "streaming")} />);
    expect(alert).toBeEmptyDOMElement();
    expect(services.announcements.get().text).toBe("Looks up an order: not allowed in time");
    expect(screen.queryByRole("region")).toBeNull();
  });

  it("asks nobody any more once its answer is over", () => {
    renderWith(createTestServices(), <Answer message={answer("", [CALL, ASKED])} />);
    expect(screen.queryByRole("region")).toBeNull();
    expect(folded()).toHaveTextContent("stopped");
  });
});
