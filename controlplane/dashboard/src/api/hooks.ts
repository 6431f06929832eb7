// What the pages ask for, and how often. Every hook answers with who answered, and when.
import { keepPreviousData, useQuery } from "@tanstack/react-query";

import { ApiError, get, type Answer } from "./client";
import type { AuthKey, ClusterNode, ClusterStatus, ConfigValue, FailoverStatus, NodeEvent, NodeStatus, UsageEntry, UsageSummary } from "./types";

export interface Refresh {
  seconds: number;
  paused: boolean;
}

function usePolled<T>(key: readonly unknown[], path: string, refresh: Refresh | null, enabled = true) {
  return useQuery<Answer<T>, ApiError>({
    queryKey: key,
    queryFn: ({ signal }) => get<T>(path, signal),
    // What this version does not know it will not know in half a minute.
    refetchInterval: ({ state }) =>
      refresh === null || refresh.paused || state.error?.notInThisVersion === true ? false : refresh.seconds * 1000,
    placeholderData: keepPreviousData,
    enabled,
  });
}

export const useClusterStatus = (refresh: Refresh) => usePolled<ClusterStatus>(["cluster", "status"], "cluster/status", refresh);

export const useClusterNodes = (refresh: Refresh, enabled: boolean) =>
  usePolled<{ nodes: ClusterNode[] }>(["cluster", "nodes"], "cluster/nodes", refresh, enabled);

// 404: the version has no switch-over.
export const useFailoverStatus = (refresh: Refresh, enabled: boolean) =>
  usePolled<FailoverStatus>(["cluster", "failover"], "failover/status", refresh, enabled);

export const useNodeStatus = (refresh: Refresh | null, enabled = true) =>
  usePolled<NodeStatus>(["node", "status"], "node/status", refresh, enabled);

export const useConfig = () => usePolled<{ values: ConfigValue[] }>(["config"], "config", null);

export const useUsage = (groupBy: string, hours: number, refresh: Refresh) =>
  useQuery<Answer<UsageSummary>, ApiError>({
    queryKey: ["usage", groupBy, hours],
    queryFn: ({ signal }) => {
      const since = new Date(Date.now() - hours * 3_600_000).toISOString();
      return get<UsageSummary>(`usage/summary?group_by=${groupBy}&since=${encodeURIComponent(since)}`, signal);
    },
    refetchInterval: refresh.paused ? false : refresh.seconds * 1000,
    placeholderData: keepPreviousData,
  });

export const useUsageLog = (refresh: Refresh) =>
  usePolled<{ entries: UsageEntry[] }>(["usage", "log"], "usage/log?page_size=500", refresh);

export const useKeysPage = (token: string) =>
  usePolled<{ auth_keys: AuthKey[]; next_page_token: string }>(
    ["keys", token],
    `auth-keys?page_size=200${token === "" ? "" : `&page_token=${encodeURIComponent(token)}`}`,
    null,
  );

// The last events of the node that answers, oldest first.
export const useEvents = (refresh: Refresh) => usePolled<{ events: NodeEvent[] }>(["events"], "events?last=1000", refresh);
