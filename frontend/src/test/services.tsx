/** For tests: the services of one page, and components rendered with them. */
import { render } from "@testing-library/react";
import type { ReactNode } from "react";

import { AuthSession } from "@/shared/api/session";
import { createServices, type Services, ServicesProvider } from "@/shared/services";

/** A page of its own, whose `leavePage` is observed. */
export function createTestServices(leavePage: () => void = () => undefined): Services {
  return createServices(
    new AuthSession(undefined, undefined, leavePage, new BroadcastChannel("prompter.session")),
  );
}

export function renderWith(services: Services, content: ReactNode) {
  return render(content, {
    wrapper: ({ children }) => <ServicesProvider services={services}>{children}</ServicesProvider>,
  });
}
