// Moving the lead and draining: both wait until the node's name has been typed.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";

import { post, type Answer, type ApiError } from "../api/client";
import type { Transferred } from "../api/types";
import { Dialog, Field, Trouble } from "../components/basics";
import { millis } from "../format";

interface Props<T> {
  title: string;
  word: string; // what must be typed
  action: string;
  path: string;
  body: unknown;
  done: (answer: T) => string;
  danger?: boolean;
  children: ReactNode;
  onClose: () => void;
}

export function ConfirmDialog<T>({ title, word, action, path, body, done, danger = true, children, onClose }: Props<T>) {
  const [typed, setTyped] = useState("");
  const queries = useQueryClient();
  const run = useMutation<Answer<T>, ApiError>({
    mutationFn: () => post<T>(path, body),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["cluster"] }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === word) run.mutate();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      {run.isSuccess ? (
        <>
          <div className="notice tone-ok" role="status">
            {done(run.data.data)}
          </div>
          <div className="dialog-actions">
            <button type="button" className="primary" onClick={onClose} autoFocus>
              Close
            </button>
          </div>
        </>
      ) : (
        <form className="fields" onSubmit={submit}>
          {children}
          <Field label={`Type ${word} to go on`}>
            {(id) => (
              <input id={id} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" spellCheck={false} autoCapitalize="off" />
            )}
          </Field>
          {run.error !== null && <Trouble error={run.error} />}
          <div className="dialog-actions">
            <button type="button" onClick={onClose}>
              Cancel
            </button>
            <button type="submit" className={danger ? "danger" : "primary"} disabled={typed !== word || run.isPending}>
              {run.isPending ? "Asking…" : action}
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

export function SwitchoverDialog({ target, leader, onClose }: { target: string; leader: string; onClose: () => void }) {
  return (
    <ConfirmDialog<Transferred>
      title={target === "" ? "Switch over" : `Make ${target} the leader`}
      word={target === "" ? "switch over" : target}
      action="Switch over"
      path="failover/transfer"
      body={target === "" ? {} : { node_id: target }}
      done={({ leader_id, took_ms }) =>
        leader_id === undefined ? "The hand-over has been asked for." : `${leader_id} leads now, after ${millis(took_ms ?? 0)}.`
      }
      danger={false}
      onClose={onClose}
    >
      <p>
        {leader === "" ? "No node leads now. " : `${leader} leads now. It stops taking new requests, finishes what it has, and hands the lease over. `}
        {target === "" ? "The node that is furthest along takes it." : `${target} takes it if it is caught up.`} Clients may see a short pause.
      </p>
    </ConfirmDialog>
  );
}

export function DrainDialog({ node, onClose }: { node: string; onClose: () => void }) {
  return (
    <ConfirmDialog<unknown>
      title={`Drain ${node}`}
      word={node}
      action="Drain"
      path={`cluster/nodes/${encodeURIComponent(node)}/drain`}
      body={{}}
      done={() => `${node} drains: it gives the lead away and takes it no more.`}
      onClose={onClose}
    >
      <p>
        If {node} leads, another node takes over, and {node} does not lead again until it is undrained or restarted.
        Requests that it has are finished.
      </p>
    </ConfirmDialog>
  );
}

export function UndrainDialog({ node, onClose }: { node: string; onClose: () => void }) {
  return (
    <ConfirmDialog<unknown>
      title={`Undrain ${node}`}
      word={node}
      action="Undrain"
      path={`cluster/nodes/${encodeURIComponent(node)}/undrain`}
      body={{}}
      done={() => `${node} may lead again.`}
      danger={false}
      onClose={onClose}
    >
      <p>{node} may take the lead again. That it does so now is not said: the node that leads stays.</p>
    </ConfirmDialog>
  );
}
