import { useConfig } from "../api/hooks";
import type { ConfigValue } from "../api/types";
import { Chip, Empty, Field, Skeleton, Time, Trouble } from "../components/basics";
import { Link, PageHead } from "../components/shell";
import { useNarrow } from "../media";
import { kIntervals, setPrefs, usePrefs, type Theme } from "../prefs";
import { useSession } from "../session";

const kAbout: Record<string, string> = {
  "cluster.enabled": "Whether this node joins others",
  "cluster.node_id": "Its name in the cluster, unlike all others",
  "cluster.node_name": "What people call it",
  "cluster.region": "Where it stands",
  "cluster.zone": "And where in there",
  "cluster.bind_addr": "Gossip listens here",
  "cluster.bind_port": "Gossip, UDP and TCP",
  "cluster.sync_bind_addr": "Sync listens here",
  "cluster.sync_bind_port": "Sync, gRPC",
  "cluster.seed_nodes": "Whom it asks first when it starts",
  "cluster.advertise_url": "The public URL of this node",
  "cluster.heartbeat_interval_seconds": "How often it tells the others how it is",
  "cluster.failover_mode": "Who serves, and who takes over",
};

const variable = (key: string) => key.replaceAll(".", "_").toUpperCase();

function Source({ source }: { source: string }) {
  if (source === "default") return <span className="muted">Default</span>;
  return (
    <Chip title={source}>
      <svg viewBox="0 0 12 12" width="10" height="10" aria-hidden="true" className="lock">
        <path d="M3.5 5.5V4a2.5 2.5 0 0 1 5 0v1.5M2.5 5.5h7v5h-7z" fill="none" stroke="currentColor" strokeWidth="1.3" strokeLinejoin="round" />
      </svg>
      {source.startsWith("environment") ? "Set by environment" : source}
    </Chip>
  );
}

function Value({ value }: { value: string }) {
  return value === "" ? <span className="muted">not set</span> : <span className="mono wrap-any">{value}</span>;
}

function Rows({ title, rows }: { title: string; rows: ConfigValue[] }) {
  const name = (row: ConfigValue) => (
    <>
      <span className="mono">{row.key.slice("cluster.".length)}</span>
      {kAbout[row.key] !== undefined && <div className="muted small-text">{kAbout[row.key]}</div>}
    </>
  );
  if (useNarrow()) {
    return (
      <ul className="card cards">
        {rows.map((row) => (
          <li key={row.key} data-key={row.key}>
            {name(row)}
            <div className="card-value">
              <Value value={row.value} />
            </div>
            <div className="card-facts">
              <Source source={row.source} />
              <span className="mono">{variable(row.key)}</span>
            </div>
          </li>
        ))}
      </ul>
    );
  }
  return (
    <div className="card table-wrap" tabIndex={0} role="region" aria-label={`${title} settings`}>
      <table className="settings">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">Value</th>
            <th scope="col">Source</th>
            <th scope="col">Variable</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key} data-key={row.key}>
              <th scope="row">{name(row)}</th>
              <td>
                <Value value={row.value} />
              </td>
              <td>
                <Source source={row.source} />
              </td>
              <td className="mono muted">{variable(row.key)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Routing() {
  const config = useConfig();
  if (config.data === undefined) {
    return config.error === null ? <Skeleton label="Loading the settings" rows={10} /> : <Trouble error={config.error} retry={() => void config.refetch()} />;
  }
  const values = config.data.data.values.filter((value) => value.key.startsWith("cluster."));
  const known = values.filter((value) => value.key in kAbout);
  const others = values.filter((value) => !(value.key in kAbout));
  return (
    <>
      <div className="notice tone-info">
        <div>
          Read only. These are the settings that <strong>{config.data.node || "the node that answered"}</strong> started with. Change them in its
          environment or file, then restart it. The environment wins over the file.
        </div>
      </div>
      {[
        { title: "Cluster", rows: known },
        { title: "Advanced", rows: others },
      ].map(({ title, rows }) => (
        <section key={title} aria-label={title}>
          <div className="section-head">
            <h2>{title}</h2>
          </div>
          <Rows title={title} rows={rows} />
        </section>
      ))}
    </>
  );
}

function Preferences() {
  const prefs = usePrefs();
  const { state, signOut } = useSession();
  return (
    <div className="two">
      <section className="card padded fields" aria-labelledby="looks-title">
        <h2 id="looks-title">This browser</h2>
        <Field label="Theme">
          {(id) => (
            <select id={id} value={prefs.theme} onChange={(event) => setPrefs({ theme: event.target.value as Theme })}>
              <option value="system">As the system</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          )}
        </Field>
        <Field label="Refresh every" hint="Pages stop asking while their tab is hidden.">
          {(id, hintId) => (
            <select id={id} aria-describedby={hintId} value={prefs.refresh} onChange={(event) => setPrefs({ refresh: Number(event.target.value) })}>
              {kIntervals.map((seconds) => (
                <option key={seconds} value={seconds}>
                  {seconds < 60 ? `${seconds} seconds` : `${seconds / 60} min`}
                </option>
              ))}
            </select>
          )}
        </Field>
      </section>
      <section className="card padded fields" aria-labelledby="session-title">
        <h2 id="session-title">Session</h2>
        {state.kind === "in" && (
          <p>
            It ends <Time at={state.expiresAt} /> at the latest, and after an hour without use. Every node with the same admin token accepts
            it; the token itself is not kept in this browser.
          </p>
        )}
        <div>
          <button type="button" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </section>
    </div>
  );
}

export default function Settings({ tab }: { tab: string }) {
  return (
    <>
      <PageHead title="Settings" />
      <nav className="tabs" aria-label="Settings">
        <Link to="/settings/routing" current={tab === "routing"}>
          Routing
        </Link>
        <Link to="/settings/preferences" current={tab === "preferences"}>
          Preferences
        </Link>
      </nav>
      {tab === "routing" ? <Routing /> : tab === "preferences" ? <Preferences /> : <Empty title="There is no such page" />}
    </>
  );
}
