// The admin API as the browser calls it: the session's cookie, its CSRF token on every change, nothing stored.

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer at all
    readonly code: string,
    message: string,
    readonly node: string,
    readonly param: string | null = null,
  ) {
    super(message);
  }

  // The path is none of this version's, rather than a thing that is not there.
  get notInThisVersion(): boolean {
    return (this.status === 404 && this.code === "unknown_path") || this.status === 405 || this.status === 501;
  }
}

export interface Answer<T> {
  data: T;
  node: string; // who answered; "" when not said
  at: number;
}

let csrfToken = "";
let onSignedOut: () => void = () => {};

export function setCsrfToken(token: string): void {
  csrfToken = token;
}

export function whenSignedOut(run: () => void): void {
  onSignedOut = run;
}

const kDeadlineMs = 20_000;

export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && csrfToken !== "") headers["x-aurora-csrf"] = csrfToken;
  const deadline = AbortSignal.timeout(kDeadlineMs);
  let response: Response;
  let text: string;
  try {
    response = await fetch(`/admin/api/v1/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]),
    });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "no_answer", "No answer from the node: it may be down, or this browser offline.", "");
  }
  const node = response.headers.get("x-aurora-node") ?? "";
  let parsed: unknown = null;
  try {
    parsed = text === "" ? {} : JSON.parse(text);
  } catch {
    throw new ApiError(response.status || 502, "not_json", `The answer was not JSON (HTTP ${response.status}).`, node);
  }
  if (!response.ok) {
    const error = (parsed as { error?: { code?: string; message?: string; param?: string | null } }).error ?? {};
    if (response.status === 401 && path !== "session") onSignedOut();
    throw new ApiError(response.status, error.code ?? "", error.message ?? `HTTP ${response.status}`, node, error.param);
  }
  return { data: parsed as T, node, at: Date.now() };
}

export const get = <T>(path: string, signal?: AbortSignal) => call<T>("GET", path, undefined, signal);
export const post = <T>(path: string, body: unknown = {}) => call<T>("POST", path, body);
