// When the page asks again: countdown, pause, now; and what it says when the answer does not come.
import { useQueryClient, type UseQueryResult } from "@tanstack/react-query";
import { useCallback, useState } from "react";

import type { Answer, ApiError } from "../api/client";
import type { Refresh } from "../api/hooks";
import { absolute, ago } from "../format";
import { kIntervals, setPrefs, usePrefs } from "../prefs";
import { useParam } from "../router";
import { useNow } from "../time";

// `refresh` in the URL wins over the preference, so that a link shows what its sender saw.
export function useRefresh(): Refresh & { setPaused: (paused: boolean) => void } {
  const prefs = usePrefs();
  const [wanted] = useParam("refresh", "");
  const [paused, setPaused] = useState(false);
  const seconds = kIntervals.find((interval) => interval === Number(wanted)) ?? prefs.refresh;
  return { seconds, paused, setPaused };
}

interface Props {
  refresh: ReturnType<typeof useRefresh>;
  query: UseQueryResult<Answer<unknown>, ApiError>;
  keys: readonly (readonly unknown[])[];
}

export function RefreshBar({ refresh, query, keys }: Props) {
  const now = useNow();
  const queries = useQueryClient();
  const [, setWanted] = useParam("refresh", "");
  const again = useCallback(() => {
    for (const key of keys) void queries.invalidateQueries({ queryKey: key });
  }, [queries, keys]);
  const last = Math.max(query.dataUpdatedAt, query.errorUpdatedAt);
  const left = Math.min(refresh.seconds, Math.max(0, Math.ceil((last + refresh.seconds * 1000 - now) / 1000)));
  return (
    <div className="refresh" role="group" aria-label="Refresh">
      <span className="refresh-text">
        {query.data?.node !== undefined && query.data.node !== "" && (
          <span className="answered">
            Answered by <strong>{query.data.node}</strong>
          </span>
        )}
        <span className="countdown" data-testid="countdown">
          {refresh.paused ? "Paused" : query.isFetching ? "Refreshing…" : `Next in ${left} s`}
        </span>
      </span>
      <span className="refresh-buttons">
        <button type="button" className="small" onClick={() => refresh.setPaused(!refresh.paused)} aria-pressed={refresh.paused}>
          {refresh.paused ? "Resume" : "Pause"}
        </button>
        <button type="button" className="small" onClick={again}>
          Refresh now
        </button>
        <select
          className="small"
          aria-label="Refresh every"
          value={refresh.seconds}
          onChange={(event) => {
            setPrefs({ refresh: Number(event.target.value) });
            setWanted("");
          }}
        >
          {kIntervals.map((seconds) => (
            <option key={seconds} value={seconds}>
              {seconds < 60 ? `${seconds} s` : `${seconds / 60} min`}
            </option>
          ))}
        </select>
      </span>
    </div>
  );
}

// Old rows stay; this says how old they are once two refreshes have gone by without them.
export function StaleNotice({ refresh, query }: Omit<Props, "keys">) {
  const now = useNow();
  if (query.data === undefined) return null;
  const age = now - query.data.at;
  const stale = age > 2 * refresh.seconds * 1000 + 1000 && !refresh.paused;
  if (!stale && !query.isRefetchError) return null;
  return (
    <div className="notice tone-warn" role="status" data-testid="stale">
      <div>
        <strong>{stale ? "Stale" : "The last refresh failed"}.</strong> What is shown is from{" "}
        <time dateTime={new Date(query.data.at).toISOString()} title={absolute(new Date(query.data.at).toISOString())}>
          {ago(query.data.at, now)}
        </time>
        {query.error === null ? "." : `: ${query.error.message}`}
      </div>
    </div>
  );
}
