/** Reads, tries, stores and deletes the models that the user has connected. */
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";

import type { ApiError } from "@/shared/api/client";
import { keys } from "@/shared/api/queries";
import type { Connection, ConnectionTrial } from "@/shared/api/types";
import { createUuid } from "@/shared/lib/uuid";
import { useServices } from "@/shared/services";

import type { Vendor } from "./presets";

export interface Address {
  vendor: Vendor;
  base_url: string;
  /** It is sent to the server and kept nowhere in the browser. */
  api_key: string;
  model: string;
}

export type NewConnection = Address & { models: string[] };
export type Changes = Partial<{ api_key: string; model: string; models: string[]; shared: boolean }>;

const refresh = (client: QueryClient): Promise<unknown> =>
  Promise.all(
    [keys.connections, keys.models, keys.languageModels].map((queryKey) =>
      client.invalidateQueries({ queryKey }),
    ),
  );

export function useConnections() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.connections,
    queryFn: ({ signal }) => api.json<Connection[]>("/api/connections", { signal }),
  });
}

/** Tries an address; nothing is stored. */
export function useTrial() {
  const { api } = useServices();
  return useMutation<ConnectionTrial, ApiError, Address>({
    mutationFn: (body) => api.json<ConnectionTrial>("/api/connections/test", { method: "POST", body }),
    gcTime: 0, // the key is forgotten once the form is closed
  });
}

export function useStoredTrial(id: string) {
  const { api } = useServices();
  return useMutation<ConnectionTrial, ApiError>({
    mutationFn: () => api.json<ConnectionTrial>(`/api/connections/${id}/test`, { method: "POST" }),
  });
}

export function useConnect() {
  const { api } = useServices();
  const client = useQueryClient();
  // Not the client's own memory of unanswered requests: the key goes with the form.
  const last = useRef({ request: "", id: "" });
  return useMutation<Connection, ApiError, NewConnection>({
    mutationFn: (body) => {
      const request = JSON.stringify(body);
      if (last.current.request !== request) last.current = { request, id: createUuid() };
      const headers = { "Idempotency-Key": last.current.id };
      return api.json<Connection>("/api/connections", { method: "POST", body, headers });
    },
    onSuccess: () => refresh(client),
    gcTime: 0,
  });
}

export function useChangeConnection(id: string) {
  const { api } = useServices();
  const client = useQueryClient();
  return useMutation<Connection, ApiError, Changes>({
    mutationFn: (body) => api.json<Connection>(`/api/connections/${id}`, { method: "PATCH", body }),
    onSettled: () => refresh(client),
    gcTime: 0,
  });
}

/** @param onRemoved called also where the component is gone by then, as it is with the connection */
export function useDisconnect(id: string, onRemoved: () => void) {
  const { api } = useServices();
  const client = useQueryClient();
  return useMutation<Response, ApiError>({
    mutationFn: () => api.response(`/api/connections/${id}`, { method: "DELETE" }),
    onSuccess: onRemoved,
    onSettled: () => refresh(client),
  });
}
