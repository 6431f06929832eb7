// What the admin API answers, as far as the dashboard reads it.

export interface Session {
  signed_in: boolean;
  token_accepted: boolean;
  expires_at?: string;
  csrf_token?: string;
}

export interface ClusterOff {
  enabled: false;
}

export interface ClusterOn {
  enabled: true;
  cluster_id: string;
  node_id: string;
  node_name: string;
  region: string;
  zone: string;
  failover_mode: string;
  role: string;
  leader_id: string;
  term: number;
  node_count: number;
  healthy_count: number;
  state: string;
  reasons: string[];
  converged: boolean;
  max_lag_ms: number;
}

export type ClusterStatus = ClusterOff | ClusterOn;

export interface ClusterNode {
  node_id: string;
  node_name: string;
  region: string;
  zone: string;
  status: string;
  role: string;
  is_leader: boolean;
  drained?: boolean;
  data_plane: string;
  advertise_url: string;
  gossip_addr: string;
  sync_addr: string;
  last_heartbeat: string | null;
  lag_ms: number;
  version: string;
}

export interface Voter {
  node_id: string;
  leaving: boolean;
  self: boolean;
  leader: boolean;
  connected: boolean;
  note: string;
}

// As the node that answers sees it.
export interface FailoverStatus {
  enabled: boolean;
  state?: string;
  active?: boolean;
  leader_id?: string;
  quorum?: number;
  voters?: Voter[];
  drained?: boolean;
  explain?: string[];
  switches?: number;
}

export interface Transferred {
  leader_id?: string;
  took_ms?: number;
}

export interface NodeStatus {
  node_id: string;
  node_name: string;
  version: string;
  data_plane: string;
  applied_seq: number;
  committed_seq: number;
  store_state: string;
  auth_keys: number;
  providers: number;
  models: number;
  uptime_seconds: number;
  reasons: string[];
}

export interface NodeEvent {
  seq: number;
  at: string;
  severity: string;
  type: string;
  message: string;
}

export interface Propagation {
  members: number;
  enforced: number;
  pending: string[];
  unreachable: string[];
  not_serving: string[];
}

export interface RateLimits {
  requests_per_minute?: number;
  requests_per_day?: number;
  tokens_per_minute?: number;
  tokens_per_day?: number;
  concurrent_requests?: number;
}

export interface AuthKey {
  id: string;
  name: string;
  description: string;
  user_path: string;
  allowed_providers: string[] | null;
  allowed_models: string[] | null;
  denied_models: string[];
  rate_limits: RateLimits | null;
  expires_at: string | null;
  enabled: boolean;
  deactivated_at: string | null;
  redacted_value: string;
  created_at: string | null;
  updated_at: string | null;
}

export type WrittenKey = AuthKey & { value?: string; propagation: Propagation };

export interface UsageGroup {
  group: string;
  name?: string;
  requests: number;
  errors: number;
  input_tokens: number;
  output_tokens: number;
  cached_input_tokens: number;
  total_tokens: number;
  cost_usd: number;
}

export interface UsageSummary {
  since: string;
  until: string;
  total: UsageGroup;
  groups: UsageGroup[];
}

export interface UsageEntry {
  request_id: string;
  started_at: string;
  model: string;
  provider: string;
  status: number;
  stream: boolean;
  latency_us: number;
  time_to_first_token_us: number;
}

export interface ConfigValue {
  key: string;
  value: string;
  source: string;
}
