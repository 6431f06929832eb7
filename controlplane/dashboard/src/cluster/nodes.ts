// What a node's words mean on the page: tone and sentence. Pure.
import type { Tone } from "../components/basics";
import type { ClusterNode, ClusterOn } from "../api/types";

export interface Health {
  tone: Tone;
  text: string;
  title: string;
}

export function healthOf(node: ClusterNode): Health {
  if (node.status === "failed") return { tone: "bad", text: "Failed", title: "It answers neither us nor those we asked." };
  if (node.status === "left") return { tone: "idle", text: "Left", title: "It was stopped in an orderly way." };
  if (node.status === "suspect") return { tone: "warn", text: "Suspect", title: "It missed its last probe; it has a moment left to answer." };
  if (node.role === "guest") return { tone: "info", text: "Guest", title: "It speaks gossip and is no Aurora node; it is not counted." };
  if (node.data_plane === "down" && node.role !== "witness")
    return { tone: "warn", text: "Proxy down", title: "The control plane answers; its data plane does not run." };
  if (node.data_plane === "draining") return { tone: "info", text: "Draining", title: "It finishes what it has and takes nothing new." };
  return { tone: "ok", text: "Healthy", title: "It answers, and its data plane runs." };
}

// "local" is the default of the setting, and nobody's name.
export const nameOf = (node: ClusterNode) => (node.node_name === "" || node.node_name === "local" ? node.node_id : node.node_name);

export function stateOf(status: ClusterOn): { tone: Tone; text: string } {
  switch (status.state) {
    case "healthy":
      return { tone: "ok", text: "Healthy" };
    case "degraded":
      return { tone: "warn", text: "Degraded" };
    case "no_leader":
      return { tone: "bad", text: "No leader" };
    case "partitioned":
      return { tone: "bad", text: "Partitioned" };
    default:
      return { tone: "idle", text: status.state };
  }
}

export const kModes: Record<string, string> = {
  single_node: "Each node on its own",
  active_passive: "One active, the others stand by",
  active_active: "All serve, one leads",
};

// Whether a text speaks of this node: its id as a whole word.
export function mentions(text: string, id: string): boolean {
  const escaped = id.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(^|[^\\w.-])${escaped}($|[^\\w-])`).test(text);
}
