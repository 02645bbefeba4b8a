/** Who uses this page, and how one comes and goes. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { api } from "@/shared/api/client";
import { ApiError, refusalOf } from "@/shared/api/errors";
import { keys } from "@/shared/api/query-keys";
import { session, type SessionState } from "@/shared/api/session";
import type { LogIn, Me } from "@/shared/api/types";
import { freshPage } from "@/shared/lib/fresh-page";
import { leaving } from "@/shared/lib/leaving";

export function useMe() {
  return useQuery({
    queryKey: keys.me,
    queryFn: ({ signal }) => api.json<Me>("/api/auth/me", { signal }),
    staleTime: Infinity,
  });
}

export function useSessionState(): SessionState {
  return useSyncExternalStore(session.subscribe, () => session.state);
}

export function useLogIn() {
  const client = useQueryClient();
  return useMutation<LogIn, ApiError, { name: string; password: string }>({
    mutationFn: async (who) => {
      const body = { ...who, cookie: true };
      // Not by api.json: a wrong password is a 401 that no renewal helps.
      const answer = await send("/api/auth/login", body);
      return (await answer.json()) as LogIn;
    },
    onSuccess: (tokens) => {
      const before = client.getQueryData<Me>(keys.me);
      if (before !== undefined && before.id !== tokens.user.id) {
        freshPage(); // The cookie of the new log-in is there already.
        return;
      }
      session.loggedIn(tokens);
    },
  });
}

export function useLogOut() {
  return useMutation({
    mutationFn: async () => {
      await leaving();
      return await api.response("/api/auth/logout", { method: "POST" });
    },
    // Also when the server is gone or has ended the session itself: here it is over.
    onSettled: () => session.loggedOut(),
  });
}

async function send(path: string, body: unknown): Promise<Response> {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);
  if (answer === null) throw new ApiError("unreachable", "the server does not answer", 0);
  if (!answer.ok) throw await refusalOf(answer);
  return answer;
}
