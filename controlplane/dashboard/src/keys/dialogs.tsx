// Create, rotate and deactivate a key. A secret lives in the dialog that shows it and goes with it.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent, type ReactNode } from "react";

import { post, type Answer, type ApiError } from "../api/client";
import type { AuthKey, WrittenKey } from "../api/types";
import { Dialog, Field, Trouble } from "../components/basics";
import { PropagationResult, Secret } from "./result";

const kWait = "wait=all&timeout_ms=3000";

function useWrite(path: string) {
  const queries = useQueryClient();
  return useMutation<Answer<WrittenKey>, ApiError, unknown>({
    mutationFn: (body) => post<WrittenKey>(path, body),
    gcTime: 0,
    onSuccess: () => queries.invalidateQueries({ queryKey: ["keys"] }),
  });
}

function Done({ written, onClose, children }: { written: WrittenKey; onClose: () => void; children?: ReactNode }) {
  return (
    <>
      {children}
      {written.value !== undefined && <Secret value={written.value} />}
      <PropagationResult propagation={written.propagation} />
      <div className="dialog-actions">
        <button type="button" className="primary" onClick={onClose} autoFocus>
          Done
        </button>
      </div>
    </>
  );
}

function Actions({ onClose, busy, disabled, action, danger }: { onClose: () => void; busy: boolean; disabled?: boolean; action: string; danger?: boolean }) {
  return (
    <div className="dialog-actions">
      <button type="button" onClick={onClose}>
        Cancel
      </button>
      <button type="submit" className={danger === true ? "danger" : "primary"} disabled={busy || disabled}>
        {busy ? "Waiting for the nodes…" : action}
      </button>
    </div>
  );
}

const kLifetimes: Record<string, number> = { never: 0, "7 days": 7, "30 days": 30, "90 days": 90, "1 year": 365 };

export function CreateDialog({ onClose }: { onClose: () => void }) {
  const [form, setForm] = useState({ name: "", description: "", path: "", models: "", life: "never", rpm: "", tpm: "" });
  const run = useWrite(`auth-keys?${kWait}`);
  const text = (field: keyof typeof form) => ({
    value: form[field],
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [field]: event.target.value }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const days = kLifetimes[form.life] ?? 0;
    const models = form.models.split(",").map((model) => model.trim()).filter(Boolean);
    run.mutate({
      name: form.name.trim(),
      description: form.description.trim(),
      user_path: form.path.trim(),
      ...(models.length > 0 && { allowed_models: models }),
      ...(days > 0 && { expires_at: new Date(Date.now() + days * 86_400_000).toISOString() }),
      rate_limits: { requests_per_minute: Number(form.rpm) || 0, tokens_per_minute: Number(form.tpm) || 0 },
    });
  };
  return (
    <Dialog title={run.isSuccess ? "Key created" : "Create an API key"} onClose={onClose} sticky={run.isSuccess || run.isPending}>
      {run.isSuccess ? (
        <Done written={run.data.data} onClose={onClose} />
      ) : (
        <form className="fields" onSubmit={submit}>
          <Field label="Name">{(id) => <input id={id} {...text("name")} required maxLength={200} autoComplete="off" />}</Field>
          <Field label="Description">{(id) => <input id={id} {...text("description")} maxLength={1000} autoComplete="off" />}</Field>
          <div className="pair">
            <Field label="User path" hint="Whose it is, such as /team/app">
              {(id, hint) => <input id={id} aria-describedby={hint} {...text("path")} placeholder="/" autoComplete="off" spellCheck={false} />}
            </Field>
            <Field label="Expires">
              {(id) => (
                <select id={id} {...text("life")}>
                  {Object.keys(kLifetimes).map((life) => (
                    <option key={life} value={life}>
                      {life === "never" ? "Never" : `In ${life}`}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </div>
          <Field label="Models it may use" hint="Separated by commas; empty: any">
            {(id, hint) => <input id={id} aria-describedby={hint} {...text("models")} autoComplete="off" spellCheck={false} />}
          </Field>
          <div className="pair">
            <Field label="Requests a minute" hint="Empty: no limit">
              {(id, hint) => <input id={id} aria-describedby={hint} type="number" min="0" {...text("rpm")} />}
            </Field>
            <Field label="Tokens a minute" hint="Empty: no limit">
              {(id, hint) => <input id={id} aria-describedby={hint} type="number" min="0" {...text("tpm")} />}
            </Field>
          </div>
          {run.error !== null && <Trouble error={run.error} />}
          <Actions onClose={onClose} busy={run.isPending} action="Create key" />
        </form>
      )}
    </Dialog>
  );
}

export function RotateDialog({ of, onClose }: { of: AuthKey; onClose: () => void }) {
  const [overlap, setOverlap] = useState("0");
  const run = useWrite(`auth-keys/${encodeURIComponent(of.id)}/rotate?${kWait}`);
  return (
    <Dialog title={run.isSuccess ? "Key rotated" : `Rotate ${of.name}`} onClose={onClose} sticky={run.isSuccess || run.isPending}>
      {run.isSuccess ? (
        <Done written={run.data.data} onClose={onClose} />
      ) : (
        <form
          className="fields"
          onSubmit={(event) => {
            event.preventDefault();
            run.mutate({ overlap_seconds: Number(overlap) });
          }}
        >
          <p>
            A new secret takes the place of <span className="mono">{of.redacted_value}</span>. Name, limits and usage stay.
          </p>
          <Field label="The old secret">
            {(id) => (
              <select id={id} value={overlap} onChange={(event) => setOverlap(event.target.value)}>
                <option value="0">Stops at once</option>
                <option value="3600">Works one more hour</option>
                <option value="86400">Works one more day</option>
                <option value="604800">Works one more week</option>
              </select>
            )}
          </Field>
          {run.error !== null && <Trouble error={run.error} />}
          <Actions onClose={onClose} busy={run.isPending} action="Rotate" />
        </form>
      )}
    </Dialog>
  );
}

export function DeactivateDialog({ of, onClose }: { of: AuthKey; onClose: () => void }) {
  const [typed, setTyped] = useState("");
  const word = of.name || of.id;
  const run = useWrite(`auth-keys/${encodeURIComponent(of.id)}/deactivate?${kWait}`);
  return (
    <Dialog title={run.isSuccess ? `${word} is deactivated` : `Deactivate ${word}`} onClose={onClose}>
      {run.isSuccess ? (
        <Done written={run.data.data} onClose={onClose} />
      ) : (
        <form
          className="fields"
          onSubmit={(event) => {
            event.preventDefault();
            if (typed === word) run.mutate({});
          }}
        >
          <p>
            <strong>This is final.</strong> The key <span className="mono">{of.redacted_value}</span> stops working on every node, and streams
            that use it are cut. It cannot be turned on again.
          </p>
          <Field label={`Type ${word} to go on`}>
            {(id) => (
              <input id={id} value={typed} onChange={(event) => setTyped(event.target.value)} autoComplete="off" spellCheck={false} autoCapitalize="off" />
            )}
          </Field>
          {run.error !== null && <Trouble error={run.error} />}
          <Actions onClose={onClose} busy={run.isPending} disabled={typed !== word} action="Deactivate" danger />
        </form>
      )}
    </Dialog>
  );
}
