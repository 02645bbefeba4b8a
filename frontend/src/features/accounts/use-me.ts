/** The user of this page: who it is, logging in, logging out. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

import { ApiError, readRefusal } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { AuthState } from "@/shared/api/session";
import type { LogIn, Me } from "@/shared/api/types";
import { useServices } from "@/shared/services";

export function useMe() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.me,
    queryFn: ({ signal }) => api.json<Me>("/api/auth/me", { signal }),
    staleTime: Infinity,
  });
}

export function useAuthState(): AuthState {
  const { session } = useServices();
  return useSyncExternalStore(session.subscribe, () => session.state);
}

export function useLogIn() {
  const { session } = useServices();
  const client = useQueryClient();
  return useMutation<LogIn, ApiError, { name: string; password: string }>({
    mutationFn: (credentials) => postLogIn({ ...credentials, cookie: true }),
    onSuccess: (tokens) => {
      const previous = client.getQueryData<Me>(keys.me);
      if (previous !== undefined && previous.id !== tokens.user.id) {
        session.leavePage(); // the cookie of the new user is set already
        return;
      }
      session.logIn(tokens);
    },
  });
}

export function useLogOut() {
  const { api, session } = useServices();
  return useMutation({
    mutationFn: async () => {
      await session.prepareLogOut();
      return await api.response("/api/auth/logout", { method: "POST" });
    },
    // This page is logged out even where the server does not answer or has ended the session itself.
    onSettled: () => session.logOut(),
  });
}

/** Not through the ApiClient: a wrong password is a 401 that no renewal of a token mends. */
async function postLogIn(body: unknown): Promise<LogIn> {
  const response = await fetch("/api/auth/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => null);
  if (response === null) throw ApiError.unreachable();
  if (!response.ok) throw await readRefusal(response);
  return (await response.json()) as LogIn;
}
