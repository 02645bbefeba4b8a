/** Whether the server keeps the sound of the user's dictations, and for how long. */
import { useMutation, useQuery } from "@tanstack/react-query";

import { useServices } from "../services";
import { keys } from "./queries";
import type { MySettings } from "./types";

const PATH = "/api/settings";
const STALE_MS = 60_000;

export function useMySettings() {
  const { api } = useServices();
  return useQuery({
    queryKey: keys.mySettings,
    queryFn: ({ signal }) => api.json<MySettings>(PATH, { signal }),
    staleTime: STALE_MS,
  });
}

export function useChangeKeepsAudio() {
  const { api, queryClient } = useServices();
  return useMutation({
    mutationFn: (keepsAudio: boolean) =>
      api.json<MySettings>(PATH, { method: "PATCH", body: { keep_audio: keepsAudio } }),
    onSuccess: (settings) => {
      queryClient.setQueryData<MySettings>(keys.mySettings, settings);
      return queryClient.invalidateQueries({ queryKey: keys.dictations });
    },
  });
}
