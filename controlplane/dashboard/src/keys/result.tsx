// What a write did on each node, and the secret that is shown once.
import { useClusterNodes } from "../api/hooks";
import type { Propagation } from "../api/types";
import { Badge, Copy } from "../components/basics";

const kStates = [
  { of: "pending", tone: "warn", text: "Pending", why: "not yet enforced when the answer was due; it follows" },
  { of: "unreachable", tone: "bad", text: "Unreachable", why: "does not answer; it learns of this when it is back, before it serves" },
  { of: "not_serving", tone: "idle", text: "Not serving", why: "its data plane does not run, so nothing is served with old rules" },
] as const;

const kOnce = { seconds: 0, paused: true };

export function PropagationResult({ propagation }: { propagation: Propagation }) {
  const { members, enforced } = propagation;
  const all = enforced === members;
  const nodes = useClusterNodes(kOnce, members > 1);
  const lacking = new Set(kStates.flatMap(({ of }) => propagation[of]));
  // The answer names those that lack it; the others are the members that it counted.
  const having = (nodes.data?.data.nodes ?? [])
    .filter((node) => node.role !== "guest" && node.status !== "left" && !lacking.has(node.node_id))
    .map((node) => node.node_id);
  return (
    <div>
      <p>
        <Badge tone={all ? "ok" : "warn"}>
          Enforced on {enforced} of {members} {members === 1 ? "node" : "nodes"}
        </Badge>
      </p>
      {(!all || having.length === enforced) && members > 1 && (
        <ul className="cards" aria-label="What each node says">
          {having.length === enforced &&
            having.map((node) => (
              <li key={node}>
                <span className="names">
                  <strong>{node}</strong>
                  <Badge tone="ok">Enforced</Badge>
                </span>
              </li>
            ))}
          {kStates.flatMap(({ of, tone, text, why }) =>
            propagation[of].map((node) => (
              <li key={node}>
                <span className="names">
                  <strong>{node}</strong>
                  <Badge tone={tone}>{text}</Badge>
                </span>
                <div className="muted small-text">{why}</div>
              </li>
            )),
          )}
        </ul>
      )}
    </div>
  );
}

export function Secret({ value }: { value: string }) {
  return (
    <div className="fields">
      <div className="notice tone-warn" role="alert">
        <div>
          <strong>Copy the key now.</strong> It is shown this once; only its hash is kept.
        </div>
      </div>
      <div className="secret">
        <code data-testid="secret">{value}</code>
        <Copy text={value} label="the key" />
      </div>
    </div>
  );
}
