/** What stands around every page: server state, routes, theme and language. */
import { QueryClientProvider } from "@tanstack/react-query";
import { Router } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";

import { Gate } from "@/features/accounts/gate";
import { queryClient } from "@/shared/api/query-client";
import { Toaster } from "@/shared/ui/toaster";

import { ErrorBoundary } from "./error-boundary";
import { Shell } from "./shell";
import { useAppearance } from "./use-appearance";
import { useNewVersion } from "./use-new-version";

/** Pages have addresses behind a #, so that none can collide with a route of the server. */
export function App() {
  useAppearance();
  useNewVersion();
  return (
    <QueryClientProvider client={queryClient}>
      <Router hook={useHashLocation}>
        <ErrorBoundary>
          <Gate>
            <Shell />
          </Gate>
        </ErrorBoundary>
      </Router>
      <Toaster />
    </QueryClientProvider>
  );
}
