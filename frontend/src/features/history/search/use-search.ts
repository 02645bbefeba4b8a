/** Where words stand in titles, messages and dictations; asked when typing pauses. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { api } from "@/shared/api/client";
import { keys } from "@/shared/api/query-keys";
import type { Hit } from "@/shared/api/types";
import { useDebounced } from "@/shared/hooks/use-debounced";

const PAUSE_MS = 200;

export function useSearch(typed: string) {
  const words = useDebounced(typed.trim(), PAUSE_MS).slice(0, 500);
  const query = useQuery({
    queryKey: keys.search(words),
    queryFn: ({ signal }) =>
      api.json<Hit[]>(`/api/search?limit=30&q=${encodeURIComponent(words)}`, { signal }),
    enabled: words !== "",
    placeholderData: keepPreviousData,
  });
  return { ...query, words };
}
