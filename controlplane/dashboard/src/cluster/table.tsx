// The nodes as a table, and as cards where it is narrow. Sorting, filter and grouping live in the URL.
import {
  createColumnHelper,
  flexRender,
  getCoreRowModel,
  getFilteredRowModel,
  getSortedRowModel,
  useReactTable,
  type Row,
  type SortingState,
} from "@tanstack/react-table";
import { Fragment, useMemo } from "react";

import type { ClusterNode } from "../api/types";
import { Badge, Chip, Empty, Time } from "../components/basics";
import { millis } from "../format";
import { useNarrow } from "../media";
import { useParam } from "../router";
import { healthOf, nameOf } from "./nodes";

const column = createColumnHelper<ClusterNode>();
const kRank: Record<string, number> = { bad: 0, warn: 1, info: 2, idle: 3, ok: 4 };

function Name({ node, open }: { node: ClusterNode; open: (id: string) => void }) {
  return (
    <span className="names">
      <button type="button" className="link" onClick={() => open(node.node_id)} aria-haspopup="dialog">
        {nameOf(node)}
      </button>
      {nameOf(node) !== node.node_id && <span className="muted mono">{node.node_id}</span>}
      {node.is_leader && (
        <Chip title="It holds the lease" lead>
          Leader
        </Chip>
      )}
      {node.role === "witness" && <Chip title="It votes and serves nothing">Witness</Chip>}
      {node.role === "active" && !node.is_leader && <Chip>Active</Chip>}
      {node.role === "standby" && <Chip>Standby</Chip>}
      {node.drained === true && <Chip title="It does not lead until it is undrained or restarted">Drained</Chip>}
    </span>
  );
}

function Health({ node }: { node: ClusterNode }) {
  const health = healthOf(node);
  return (
    <Badge tone={health.tone} title={health.title}>
      {health.text}
    </Badge>
  );
}

const dash = <span className="muted">–</span>;

function columns(open: (id: string) => void) {
  return [
    column.accessor("node_id", { header: "Node", cell: ({ row }) => <Name node={row.original} open={open} /> }),
    column.accessor((node) => kRank[healthOf(node).tone] ?? 9, { id: "health", header: "Health", cell: ({ row }) => <Health node={row.original} /> }),
    column.accessor("region", { header: "Region", cell: (cell) => cell.getValue() || dash }),
    column.accessor("zone", { header: "Zone", cell: (cell) => cell.getValue() || dash }),
    column.accessor("sync_addr", {
      header: "Sync address",
      cell: (cell) => (cell.getValue() === "" ? dash : <span className="mono">{cell.getValue()}</span>),
    }),
    column.accessor("last_heartbeat", {
      id: "heartbeat",
      header: "Last heartbeat",
      sortingFn: (a, b) => Date.parse(a.original.last_heartbeat ?? "0") - Date.parse(b.original.last_heartbeat ?? "0"),
      cell: (cell) => (
        <span className="nowrap">
          <Time at={cell.getValue()} />
        </span>
      ),
    }),
    column.accessor("lag_ms", { id: "lag", header: "Lag", meta: { number: true }, cell: (cell) => millis(cell.getValue()) }),
    column.accessor("data_plane", { id: "plane", header: "Data plane", cell: (cell) => cell.getValue() || dash }),
    column.accessor("version", { header: "Version", cell: (cell) => cell.getValue() || dash }),
  ];
}

function parseSort(text: string): SortingState {
  return text === "" ? [] : [{ id: text.replace(/^-/, ""), desc: text.startsWith("-") }];
}

// Consecutive rows of one region, in the order of the sorting.
function grouped(rows: Row<ClusterNode>[], by: boolean): [string, Row<ClusterNode>[]][] {
  if (!by) return [["", rows]];
  const groups = new Map<string, Row<ClusterNode>[]>();
  for (const row of rows) {
    const region = row.original.region || "No region";
    groups.set(region, [...(groups.get(region) ?? []), row]);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

const summary = (rows: Row<ClusterNode>[]) =>
  `${rows.filter((row) => healthOf(row.original).tone === "ok").length} of ${rows.length} healthy`;

export function NodeTable({ nodes, opened, open }: { nodes: ClusterNode[]; opened: string; open: (id: string) => void }) {
  const [filter, setFilter] = useParam("q", "");
  const [health, setHealth] = useParam("health", "all");
  const [sort, setSort] = useParam("sort", "node_id");
  const [group, setGroup] = useParam("group", "");
  const narrow = useNarrow();
  const shown = useMemo(
    () => nodes.filter((node) => health === "all" || (healthOf(node).tone === "ok") === (health === "healthy")),
    [nodes, health],
  );
  const defs = useMemo(() => columns(open), [open]);
  const sorting = useMemo(() => parseSort(sort), [sort]);
  const table = useReactTable({
    data: shown,
    columns: defs,
    state: { sorting, globalFilter: filter },
    globalFilterFn: (row, _, text: string) => {
      const n = row.original;
      return [n.node_id, n.node_name, n.region, n.zone, n.sync_addr, n.version, n.role, healthOf(n).text, n.drained === true ? "drained" : ""]
        .join(" ")
        .toLowerCase()
        .includes(text.toLowerCase());
    },
    getCoreRowModel: getCoreRowModel(),
    getFilteredRowModel: getFilteredRowModel(),
    getSortedRowModel: getSortedRowModel(),
    getRowId: (node) => node.node_id,
    enableSortingRemoval: false,
  });
  const groups = grouped(table.getRowModel().rows, group === "region");
  const none = table.getRowModel().rows.length === 0;
  return (
    <section aria-labelledby="nodes-title">
      <div className="section-head">
        <h2 id="nodes-title">Nodes</h2>
        <div className="toolbar">
          <input type="search" placeholder="Filter nodes" aria-label="Filter nodes" value={filter} onChange={(e) => setFilter(e.target.value)} />
          <select aria-label="Health" value={health} onChange={(event) => setHealth(event.target.value)}>
            <option value="all">Any health</option>
            <option value="healthy">Healthy</option>
            <option value="unhealthy">Not healthy</option>
          </select>
          <select aria-label="Group" value={group} onChange={(event) => setGroup(event.target.value)}>
            <option value="">No groups</option>
            <option value="region">By region</option>
          </select>
        </div>
      </div>
      <div className="card">
        {none ? (
          <Empty title={nodes.length === 0 ? "No nodes yet" : "No node fits"}>
            {nodes.length > 0 && <p>Change the filter to see the other {nodes.length}.</p>}
          </Empty>
        ) : narrow ? (
          <Cards groups={groups} open={open} />
        ) : (
          <div className="table-wrap">
            <table>
              <caption className="visually-hidden">Nodes of the cluster; columns can be sorted</caption>
              <thead>
                <tr>
                  {table.getFlatHeaders().map((header) => {
                    const sorted = header.column.getIsSorted();
                    return (
                      <th
                        key={header.id}
                        scope="col"
                        className={header.id === "lag" ? "number" : undefined}
                        aria-sort={sorted === false ? undefined : sorted === "asc" ? "ascending" : "descending"}
                      >
                        <button
                          type="button"
                          className="sort"
                          onClick={() => setSort(sorted === "asc" ? `-${header.id}` : header.id)}
                        >
                          {flexRender(header.column.columnDef.header, header.getContext())}
                          <span className="sort-mark" aria-hidden="true">
                            {sorted === false ? "" : sorted === "asc" ? "↑" : "↓"}
                          </span>
                        </button>
                      </th>
                    );
                  })}
                </tr>
              </thead>
              <tbody>
                {groups.map(([region, rows]) => (
                  <Fragment key={region}>
                    {region !== "" && (
                      <tr className="group">
                        <th colSpan={defs.length} scope="colgroup">
                          {region} · {summary(rows)}
                        </th>
                      </tr>
                    )}
                    {rows.map((row) => (
                      <tr key={row.id} className="row" data-node={row.id} data-open={opened === row.id}>
                        {row.getVisibleCells().map((cell) => (
                          <td key={cell.id} className={cell.column.id === "lag" ? "number" : undefined}>
                            {flexRender(cell.column.columnDef.cell, cell.getContext())}
                          </td>
                        ))}
                      </tr>
                    ))}
                  </Fragment>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </div>
    </section>
  );
}

function Cards({ groups, open }: { groups: [string, Row<ClusterNode>[]][]; open: (id: string) => void }) {
  return (
    <ul className="cards">
      {groups.map(([region, rows]) => (
        <Fragment key={region}>
          {region !== "" && (
            <li className="group">
              {region} · {summary(rows)}
            </li>
          )}
          {rows.map(({ original: node }) => (
            <li key={node.node_id} data-node={node.node_id}>
              <div className="card-top">
                <Name node={node} open={open} />
                <Health node={node} />
              </div>
              <div className="card-facts">
                {(node.region !== "" || node.zone !== "") && <span>{[node.region, node.zone].filter(Boolean).join(" / ")}</span>}
                <span>
                  Heartbeat <Time at={node.last_heartbeat} />
                </span>
                <span>Lag {millis(node.lag_ms)}</span>
                <span>Data plane {node.data_plane}</span>
                {node.sync_addr !== "" && <span className="mono">{node.sync_addr}</span>}
              </div>
            </li>
          ))}
        </Fragment>
      ))}
    </ul>
  );
}
