import { useMemo } from "react";

import { useUsage, useUsageLog } from "../api/hooks";
import type { UsageEntry, UsageGroup, UsageSummary } from "../api/types";
import { Empty, Skeleton, Tile, Trouble } from "../components/basics";
import { BarChart, type Point } from "../components/chart";
import { RefreshBar, StaleNotice, useRefresh } from "../components/refresh";
import { PageHead } from "../components/shell";
import { compact, count, millis, percent, usd } from "../format";
import { useParam } from "../router";

const kKeys = [["usage"]];
const kRanges: Record<string, { label: string; hours: number; by: "hour" | "day" }> = {
  "24h": { label: "Last 24 hours", hours: 24, by: "hour" },
  "7d": { label: "Last 7 days", hours: 7 * 24, by: "day" },
  "30d": { label: "Last 30 days", hours: 30 * 24, by: "day" },
};

interface Slot {
  label: string;
  title: string;
  group: UsageGroup | undefined;
}

// One slot for each hour or day of the range, also for those without a request.
function slots(summary: UsageSummary, by: "hour" | "day"): Slot[] {
  const found = new Map(summary.groups.map((group) => [group.group, group]));
  const step = by === "hour" ? 3_600_000 : 86_400_000;
  const out: Slot[] = [];
  for (let at = Math.floor(Date.parse(summary.since) / step) * step; at < Date.parse(summary.until); at += step) {
    const iso = new Date(at).toISOString();
    const local = new Date(at);
    out.push(
      by === "hour"
        ? {
            label: local.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }),
            title: local.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }),
            group: found.get(`${iso.slice(0, 13)}:00:00Z`),
          }
        : {
            label: local.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }),
            title: `${local.toLocaleDateString("en-GB", { dateStyle: "medium", timeZone: "UTC" })} UTC`,
            group: found.get(iso.slice(0, 10)),
          },
    );
  }
  return out;
}

const points = (all: Slot[], values: (group: UsageGroup) => number[], zero: number[]): Point[] =>
  all.map((slot) => ({ label: slot.label, title: slot.title, values: slot.group === undefined ? zero : values(slot.group) }));

function quantile(sorted: number[], q: number): number {
  return sorted.length === 0 ? 0 : (sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0);
}

// Time to the first token of the last requests that had one.
function firstTokens(entries: UsageEntry[]): { p50: number; p95: number; n: number } {
  const sorted = entries
    .filter((entry) => entry.time_to_first_token_us > 0)
    .map((entry) => entry.time_to_first_token_us / 1000)
    .sort((a, b) => a - b);
  return { p50: quantile(sorted, 0.5), p95: quantile(sorted, 0.95), n: sorted.length };
}

function Top({ title, groups, name }: { title: string; groups: UsageGroup[]; name: (group: UsageGroup) => string }) {
  const most = Math.max(1, ...groups.map((group) => group.requests));
  return (
    <div className="card">
      <div className="section-head inset">
        <h2>{title}</h2>
      </div>
      {groups.length === 0 ? (
        <Empty title="Nothing yet" />
      ) : (
        <div className="table-wrap" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" className="number">
                  Requests
                </th>
                <th scope="col" className="number">
                  Errors
                </th>
                <th scope="col" className="number">
                  Tokens
                </th>
                <th scope="col" className="number">
                  Cost
                </th>
              </tr>
            </thead>
            <tbody>
              {groups.slice(0, 8).map((group) => (
                <tr key={group.group}>
                  <th scope="row" className="wrap-any named">
                    {name(group)}
                    <svg className="meter" width="100%" height="4" aria-hidden="true">
                      <rect width={`${(100 * group.requests) / most}%`} height="4" rx="2" />
                    </svg>
                  </th>
                  <td className="number">{compact(group.requests)}</td>
                  <td className="number">{percent(group.errors, group.requests)}</td>
                  <td className="number">{compact(group.total_tokens)}</td>
                  <td className="number">{usd(group.cost_usd)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}

export default function Overview() {
  const refresh = useRefresh();
  const [range, setRange] = useParam("range", "24h");
  const { hours, by } = kRanges[range] ?? kRanges["24h"]!;
  const time = useUsage(by, hours, refresh);
  const models = useUsage("model", hours, refresh);
  const keys = useUsage("auth_key", hours, refresh);
  const log = useUsageLog(refresh);
  const ttft = useMemo(() => firstTokens(log.data?.data.entries ?? []), [log.data]);
  const all = useMemo(() => (time.data === undefined ? [] : slots(time.data.data, by)), [time.data, by]);
  const total = time.data?.data.total;
  return (
    <>
      <PageHead title="Overview" about={`What ${time.data?.node || "this node"} has metered. Each node meters what it serves.`}>
        <RefreshBar refresh={refresh} query={time} keys={kKeys} />
      </PageHead>
      <StaleNotice refresh={refresh} query={time} />
      <div className="section-head">
        <select aria-label="Range" value={range in kRanges ? range : "24h"} onChange={(event) => setRange(event.target.value)}>
          {Object.entries(kRanges).map(([id, { label }]) => (
            <option key={id} value={id}>
              {label}
            </option>
          ))}
        </select>
      </div>
      {total === undefined ? (
        time.error === null ? (
          <Skeleton label="Loading usage" rows={8} />
        ) : (
          <Trouble error={time.error} retry={() => void time.refetch()} />
        )
      ) : (
        <>
          <dl className="tiles">
            <Tile label="Requests" note={`${count(total.errors)} failed`}>
              {compact(total.requests)}
            </Tile>
            <Tile label="Errors" tone={total.errors > 0.05 * total.requests ? "warn" : undefined} note="of all requests">
              {percent(total.errors, total.requests)}
            </Tile>
            <Tile label="Tokens" note={`${compact(total.input_tokens)} in, ${compact(total.output_tokens)} out`}>
              {compact(total.total_tokens)}
            </Tile>
            <Tile label="Cost" note="By the prices in force">
              {usd(total.cost_usd)}
            </Tile>
            <Tile label="Time to first token" note={ttft.n === 0 ? "No streamed request yet" : `p95 ${millis(ttft.p95)} · last ${ttft.n}`}>
              {ttft.n === 0 ? "–" : millis(ttft.p50)}
            </Tile>
          </dl>
          <section className="two" aria-label="Over time">
            <BarChart
              title="Requests"
              series={[
                { label: "Succeeded", fill: "fill-1" },
                { label: "Failed", fill: "fill-bad" },
              ]}
              points={points(all, (group) => [group.requests - group.errors, group.errors], [0, 0])}
              show={compact}
            />
            <BarChart
              title="Tokens"
              series={[
                { label: "Input", fill: "fill-1" },
                { label: "Output", fill: "fill-2" },
              ]}
              points={points(all, (group) => [group.input_tokens, group.output_tokens], [0, 0])}
              show={compact}
            />
          </section>
          <section className="two" aria-label="By model and key">
            <Top title="Models" groups={models.data?.data.groups ?? []} name={(group) => group.group || "none resolved"} />
            <Top title="Keys" groups={keys.data?.data.groups ?? []} name={(group) => group.name || group.group || "no key"} />
          </section>
          {total.cost_usd > 0 && (
            <section aria-label="Cost over time">
              <BarChart title="Cost" series={[{ label: "USD", fill: "fill-2" }]} points={points(all, (group) => [group.cost_usd], [0])} show={usd} least={0.0001} />
            </section>
          )}
        </>
      )}
    </>
  );
}
