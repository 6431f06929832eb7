import { useState } from "react";

import { useKeysPage } from "../api/hooks";
import type { AuthKey } from "../api/types";
import { Badge, Empty, Skeleton, Time, Trouble, type Tone } from "../components/basics";
import { PageHead } from "../components/shell";
import { CreateDialog, DeactivateDialog, RotateDialog } from "../keys/dialogs";
import { useNarrow } from "../media";
import { useParam } from "../router";
import { useNow } from "../time";

function stateOf(key: AuthKey, now: number): { tone: Tone; text: string; live: boolean } {
  if (key.deactivated_at !== null) return { tone: "bad", text: "Deactivated", live: false };
  if (key.expires_at !== null && Date.parse(key.expires_at) <= now) return { tone: "idle", text: "Expired", live: false };
  if (!key.enabled) return { tone: "idle", text: "Disabled", live: true };
  return { tone: "ok", text: "Active", live: true };
}

type Opened = { kind: "create" } | { kind: "rotate" | "deactivate"; key: AuthKey } | null;

function RowActions({ of, open }: { of: AuthKey; open: (opened: Opened) => void }) {
  if (of.deactivated_at !== null) return null;
  return (
    <span className="row-actions">
      <button type="button" className="small" onClick={() => open({ kind: "rotate", key: of })} aria-label={`Rotate ${of.name}`}>
        Rotate…
      </button>
      <button type="button" className="small" onClick={() => open({ kind: "deactivate", key: of })} aria-label={`Deactivate ${of.name}`}>
        Deactivate…
      </button>
    </span>
  );
}

function KeyList({ keys, open }: { keys: AuthKey[]; open: (opened: Opened) => void }) {
  const now = useNow();
  if (useNarrow()) {
    return (
      <ul className="cards">
        {keys.map((key) => {
          const state = stateOf(key, now);
          return (
            <li key={key.id} data-key={key.name}>
              <div className="card-top">
                <strong>{key.name || key.id}</strong>
                <Badge tone={state.tone}>{state.text}</Badge>
              </div>
              <div className="card-facts">
                <span className="mono">{key.redacted_value}</span>
                {key.user_path !== "" && <span>{key.user_path}</span>}
                <span>
                  Created <Time at={key.created_at} missing="–" />
                </span>
                {key.expires_at !== null && (
                  <span>
                    Expires <Time at={key.expires_at} />
                  </span>
                )}
              </div>
              <RowActions of={key} open={open} />
            </li>
          );
        })}
      </ul>
    );
  }
  return (
    <div className="table-wrap">
      <table>
        <caption className="visually-hidden">API keys</caption>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Key</th>
            <th scope="col">State</th>
            <th scope="col">User path</th>
            <th scope="col">Expires</th>
            <th scope="col">Created</th>
            <th scope="col">
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => {
            const state = stateOf(key, now);
            return (
              <tr key={key.id} className="row" data-key={key.name}>
                <th scope="row" className="wrap-any">
                  <strong>{key.name || key.id}</strong>
                  {key.description !== "" && <div className="muted small-text">{key.description}</div>}
                </th>
                <td className="mono nowrap">{key.redacted_value}</td>
                <td>
                  <Badge tone={state.tone}>{state.text}</Badge>
                </td>
                <td className="wrap-any">{key.user_path || <span className="muted">–</span>}</td>
                <td className="nowrap">
                  <Time at={key.expires_at} />
                </td>
                <td className="nowrap">
                  <Time at={key.created_at} missing="–" />
                </td>
                <td className="number">
                  <RowActions of={key} open={open} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

export default function Keys() {
  const [filter, setFilter] = useParam("q", "");
  const [show, setShow] = useParam("show", "live");
  // Pages that were left behind, so that one can go back.
  const [tokens, setTokens] = useState<string[]>([""]);
  const [opened, setOpened] = useState<Opened>(null);
  const now = useNow();
  const page = useKeysPage(tokens[tokens.length - 1] ?? "");
  const close = () => setOpened(null);
  const all = page.data?.data.auth_keys ?? [];
  const wanted = filter.toLowerCase();
  const keys = all.filter(
    (key) =>
      (show === "all" || stateOf(key, now).live) &&
      [key.name, key.description, key.user_path, key.redacted_value, key.id].join(" ").toLowerCase().includes(wanted),
  );
  const next = page.data?.data.next_page_token ?? "";
  return (
    <>
      <PageHead title="API keys" about="What clients send. A key made or revoked here is so on every node.">
        <button type="button" className="primary" onClick={() => setOpened({ kind: "create" })}>
          Create key
        </button>
      </PageHead>
      <div className="section-head">
        <div className="toolbar">
          <input type="search" placeholder="Filter keys" aria-label="Filter keys" value={filter} onChange={(event) => setFilter(event.target.value)} />
          <select aria-label="Show" value={show} onChange={(event) => setShow(event.target.value)}>
            <option value="live">Usable</option>
            <option value="all">All</option>
          </select>
        </div>
        {page.data !== undefined && (
          <span className="muted small-text" role="status">
            {keys.length} of {all.length} shown
          </span>
        )}
      </div>
      {page.data === undefined ? (
        page.error === null ? (
          <Skeleton label="Loading keys" rows={6} />
        ) : (
          <Trouble error={page.error} retry={() => void page.refetch()} />
        )
      ) : (
        <>
          {page.error !== null && <Trouble error={page.error} retry={() => void page.refetch()} />}
          <div className="card">
            {keys.length === 0 ? (
              <Empty title={all.length === 0 ? "No keys yet" : "No key fits"}>
                <p>{all.length === 0 ? "Create one, and clients can call this gateway with it." : "Change the filter to see the others."}</p>
              </Empty>
            ) : (
              <KeyList keys={keys} open={setOpened} />
            )}
          </div>
          {(next !== "" || tokens.length > 1) && (
            <nav className="pager" aria-label="Pages of keys">
              <button type="button" disabled={tokens.length === 1} onClick={() => setTokens(tokens.slice(0, -1))}>
                Previous
              </button>
              <span className="muted">Page {tokens.length}</span>
              <button type="button" disabled={next === ""} onClick={() => setTokens([...tokens, next])}>
                Next
              </button>
            </nav>
          )}
        </>
      )}
      {opened?.kind === "create" && <CreateDialog onClose={close} />}
      {opened?.kind === "rotate" && <RotateDialog of={opened.key} onClose={close} />}
      {opened?.kind === "deactivate" && <DeactivateDialog of={opened.key} onClose={close} />}
    </>
  );
}
