import { useCallback, useEffect, useRef, useState } from "react";

import { useClusterNodes, useClusterStatus, useFailoverStatus, useNodeStatus, type Refresh } from "../api/hooks";
import type { ClusterNode, ClusterOn, FailoverStatus } from "../api/types";
import { DrainDialog, SwitchoverDialog, UndrainDialog } from "../cluster/confirm";
import { NodeDrawer } from "../cluster/drawer";
import { kModes, stateOf } from "../cluster/nodes";
import { NodeTable } from "../cluster/table";
import { Badge, Empty, Sentence, Skeleton, Tile, Trouble } from "../components/basics";
import { RefreshBar, StaleNotice, useRefresh } from "../components/refresh";
import { Link, PageHead } from "../components/shell";
import { millis, span } from "../format";
import { useParam } from "../router";

const kKeys = [["cluster"], ["events"], ["node"]];

function Tiles({ status }: { status: ClusterOn }) {
  const state = stateOf(status);
  const away = status.node_count - status.healthy_count;
  return (
    <dl className="tiles">
      <Tile label="Status" tone={state.tone === "idle" ? undefined : state.tone} note={status.reasons.length === 0 ? "Nothing to report" : `${status.reasons.length} to look at`}>
        <Badge tone={state.tone}>{state.text}</Badge>
      </Tile>
      <Tile label="Nodes healthy" tone={away === 0 ? "ok" : "warn"} note={away === 0 ? "All answer" : `${away} not healthy`}>
        {status.healthy_count} / {status.node_count}
      </Tile>
      <Tile label="Leader" note={status.leader_id === "" ? "None is elected" : `Term ${status.term}`}>
        {status.leader_id || "None"}
      </Tile>
      <Tile label="Failover mode" note={kModes[status.failover_mode]}>
        {status.failover_mode.replace("_", "-")}
      </Tile>
      <Tile label="Sync lag" tone={status.max_lag_ms > 5000 ? "warn" : undefined} note={status.converged ? "Converged" : "Catching up"}>
        {millis(status.max_lag_ms)}
      </Tile>
    </dl>
  );
}

// What happened, for those who do not see the badge change.
function Announce({ status }: { status: ClusterOn }) {
  const text = `Cluster ${status.state}: ${status.healthy_count} of ${status.node_count} nodes healthy`;
  const [said, setSaid] = useState("");
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) setSaid(text);
    first.current = false;
  }, [text]);
  return (
    <div className="visually-hidden" aria-live="polite">
      {said}
    </div>
  );
}

function Off({ refresh }: { refresh: Refresh }) {
  const node = useNodeStatus(refresh);
  const data = node.data?.data;
  return (
    <>
      <div className="card">
        <Empty title="Clustering is off on this node">
          <p>It serves on its own, so there is nothing to switch over or drain here.</p>
          <p>
            To join nodes, set <code>CLUSTER_ENABLED=true</code>, a <code>CLUSTER_NODE_ID</code> and the same{" "}
            <code>CLUSTER_SEED_NODES</code> on each, and restart. No data has to be moved.
          </p>
          <p>
            <Link to="/settings/routing">See this node's cluster settings</Link>
          </p>
        </Empty>
      </div>
      {data !== undefined && (
        <section aria-label="This node">
          <dl className="tiles">
            <Tile label="This node" tone={data.reasons.length === 0 ? "ok" : "warn"} note={`Up for ${span(data.uptime_seconds)}`}>
              {data.node_name || data.node_id}
            </Tile>
            <Tile label="Data plane">{data.data_plane}</Tile>
            <Tile label="Store">{data.store_state}</Tile>
            <Tile label="Version">{data.version}</Tile>
          </dl>
        </section>
      )}
    </>
  );
}

interface FailoverProps {
  status: FailoverStatus | undefined;
  node: string;
  whyNot: string;
  onSwitch: () => void;
}

// Who may lead and what stands in the way, as the node that answered sees it. Where nobody leads, nothing is said of voters.
function Failover({ status, node, whyNot, onSwitch }: FailoverProps) {
  const voters = whyNot === "" ? (status?.voters ?? []) : [];
  return (
    <section aria-labelledby="failover-title">
      <div className="card padded fields">
        <div className="section-head flush">
          <div>
            <h2 id="failover-title">Failover</h2>
            <p className="muted">{whyNot || "A switchover hands the lead to the node that is furthest along. Drain is in a node's own panel."}</p>
          </div>
          <button type="button" onClick={onSwitch} disabled={whyNot !== ""}>
            Switch over…
          </button>
        </div>
        {voters.length > 0 && (
          <dl className="facts">
            <dt>Voters</dt>
            <dd>
              {voters.map((voter) => (
                <Badge
                  key={voter.node_id}
                  tone={voter.note !== "" ? "warn" : voter.connected || voter.self ? "ok" : "bad"}
                  title={voter.note || (voter.connected || voter.self ? "Connected" : "No stream to it")}
                >
                  {voter.node_id}
                  {voter.leader ? " leads" : voter.leaving ? " is leaving" : ""}
                </Badge>
              ))}
            </dd>
            <dt>Majority</dt>
            <dd>
              {status?.quorum ?? 0} of {voters.length}
            </dd>
            <dt>{node || "This node"}</dt>
            <dd>
              {status?.state}
              {status?.active === true ? ", serves by its lease" : ""}
              {status?.drained === true ? ", drained" : ""}
            </dd>
          </dl>
        )}
        {(status?.explain ?? []).length > 0 && (
          <ul className="plain muted">
            {status?.explain?.map((sentence) => (
              <li key={sentence}>
                <Sentence text={sentence} />
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function On({ status, nodes, refresh }: { status: ClusterOn; nodes: ClusterNode[]; refresh: Refresh }) {
  const [opened, setOpened] = useParam("node", "");
  const [switching, setSwitching] = useState<string | null>(null);
  const [draining, setDraining] = useState<string | null>(null);
  const [undraining, setUndraining] = useState<string | null>(null);
  const failover = useFailoverStatus(refresh, true);
  const open = useCallback((id: string) => setOpened(id, true), [setOpened]);
  const whyNot = failover.error?.notInThisVersion === true
    ? "Switching over is not available on this version."
    : status.failover_mode === "single_node"
      ? "There is no lead to move: failover_mode is single_node."
      : "";
  const node = nodes.find((each) => each.node_id === opened);
  return (
    <>
      <Announce status={status} />
      {status.reasons.length > 0 && (
        <div className={`notice tone-${stateOf(status).tone}`}>
          <div>
            <strong>What to look at</strong>
            <ul>
              {status.reasons.map((reason) => (
                <li key={reason}>
                  <Sentence text={reason} />
                </li>
              ))}
            </ul>
          </div>
        </div>
      )}
      <Tiles status={status} />
      <NodeTable nodes={nodes} opened={opened} open={open} />
      <Failover status={failover.data?.data} node={failover.data?.node ?? ""} whyNot={whyNot} onSwitch={() => setSwitching("")} />
      {node !== undefined && switching === null && draining === null && undraining === null && (
        <NodeDrawer
          node={node}
          refresh={refresh}
          canSwitch={whyNot === ""}
          whyNot={whyNot}
          onSwitch={() => setSwitching(node.node_id)}
          onDrain={() => setDraining(node.node_id)}
          onUndrain={() => setUndraining(node.node_id)}
          onClose={() => setOpened("")}
        />
      )}
      {switching !== null && <SwitchoverDialog target={switching} leader={status.leader_id} onClose={() => setSwitching(null)} />}
      {undraining !== null && <UndrainDialog node={undraining} onClose={() => setUndraining(null)} />}
      {draining !== null && <DrainDialog node={draining} onClose={() => setDraining(null)} />}
    </>
  );
}

export default function Cluster() {
  const refresh = useRefresh();
  const status = useClusterStatus(refresh);
  const on = status.data?.data.enabled === true;
  const nodes = useClusterNodes(refresh, on);
  const about = status.data !== undefined && status.data.data.enabled ? (
    <>
      Cluster <span className="mono">{status.data.data.cluster_id.slice(0, 8) || "not founded yet"}</span>
    </>
  ) : undefined;
  let body;
  if (status.data === undefined) {
    body = status.error === null ? <Skeleton label="Loading the cluster" rows={8} /> : <Trouble error={status.error} retry={() => void status.refetch()} />;
  } else if (!status.data.data.enabled) {
    body = <Off refresh={refresh} />;
  } else if (nodes.data === undefined) {
    body = nodes.error === null ? <Skeleton label="Loading the nodes" rows={8} /> : <Trouble error={nodes.error} retry={() => void nodes.refetch()} />;
  } else {
    body = <On status={status.data.data} nodes={nodes.data.data.nodes} refresh={refresh} />;
  }
  return (
    <>
      <PageHead title="Cluster" about={about}>
        <RefreshBar refresh={refresh} query={on && nodes.data !== undefined ? nodes : status} keys={kKeys} />
      </PageHead>
      <StaleNotice refresh={refresh} query={status} />
      {body}
    </>
  );
}
