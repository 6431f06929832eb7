// One node in full: what it says of itself, what has happened to it, and what can be done.
import type { ReactNode } from "react";

import { useEvents, type Refresh } from "../api/hooks";
import type { ClusterNode } from "../api/types";
import { Badge, Chip, Copy, Dialog, Sentence, Skeleton, Time, Trouble } from "../components/basics";
import { millis } from "../format";
import { healthOf, mentions, nameOf } from "./nodes";

const kShown = 30;

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Address({ label, value }: { label: string; value: string }) {
  return (
    <Fact label={label}>
      {value === "" ? (
        <span className="muted">not set</span>
      ) : (
        <>
          <span className="mono">{value}</span>
          <Copy text={value} label={label.toLowerCase()} />
        </>
      )}
    </Fact>
  );
}

function Events({ node, refresh }: { node: ClusterNode; refresh: Refresh }) {
  const events = useEvents(refresh);
  if (events.data === undefined) return events.error === null ? <Skeleton rows={3} label="Loading events" /> : <Trouble error={events.error} />;
  const about = events.data.data.events.filter((event) => mentions(event.message, node.node_id)).slice(-kShown).reverse();
  return (
    <>
      {about.length === 0 ? (
        <p className="muted">{events.data.node || "The node that answered"} has seen nothing happen to it.</p>
      ) : (
        <ol className="events">
          {about.map((event) => (
            <li key={event.seq} className={event.severity}>
              <Sentence text={event.message} />
              <span className="muted small-text">
                <Time at={event.at} /> · {event.severity} · <span className="mono">{event.type}</span>
              </span>
            </li>
          ))}
        </ol>
      )}
      <p className="muted small-text">As {events.data.node || "the node that answered"} has seen it.</p>
    </>
  );
}

interface Props {
  node: ClusterNode;
  refresh: Refresh;
  canSwitch: boolean;
  whyNot: string;
  onSwitch: () => void;
  onDrain: () => void;
  onUndrain: () => void;
  onClose: () => void;
}

export function NodeDrawer({ node, refresh, canSwitch, whyNot, onSwitch, onDrain, onUndrain, onClose }: Props) {
  const health = healthOf(node);
  const gone = node.status !== "alive";
  return (
    <Dialog drawer title={nameOf(node)} onClose={onClose}>
      <div className="names">
        <Badge tone={health.tone}>{health.text}</Badge>
        {node.is_leader && <Chip lead>Leader</Chip>}
        {node.drained === true && <Chip>Drained</Chip>}
        <span className="muted">{health.title}</span>
      </div>
      <dl className="facts">
        <Fact label="Node id">
          <span className="mono">{node.node_id}</span>
          <Copy text={node.node_id} label="node id" />
        </Fact>
        <Fact label="Role">{node.role || "–"}</Fact>
        <Fact label="Region / zone">{[node.region, node.zone].filter(Boolean).join(" / ") || <span className="muted">not set</span>}</Fact>
        <Fact label="Data plane">{node.data_plane}</Fact>
        <Fact label="Last heartbeat">
          <Time at={node.last_heartbeat} />
        </Fact>
        <Fact label="Sync lag">{millis(node.lag_ms)}</Fact>
        <Fact label="Version">{node.version || "–"}</Fact>
        <Address label="Sync address" value={node.sync_addr} />
        <Address label="Gossip address" value={node.gossip_addr} />
        <Address label="Advertised URL" value={node.advertise_url} />
      </dl>
      <div className="toolbar">
        <button type="button" onClick={onSwitch} disabled={gone || !canSwitch || node.is_leader} title={canSwitch ? undefined : whyNot}>
          Make leader…
        </button>
        <button type="button" onClick={onDrain} disabled={gone || node.drained === true}>
          Drain…
        </button>
        <button type="button" onClick={onUndrain} disabled={gone}>
          Undrain…
        </button>
      </div>
      {!canSwitch && <p className="muted small-text">{whyNot}</p>}
      {node.status === "failed" && (
        <p className="muted small-text">
          If it does not come back: <code>aurora-ctl nodes remove {node.node_id}</code>
        </p>
      )}
      <h3>Events</h3>
      <Events node={node} refresh={refresh} />
    </Dialog>
  );
}
