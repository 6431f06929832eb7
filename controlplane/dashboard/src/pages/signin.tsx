import { useState, type FormEvent } from "react";

import { ApiError } from "../api/client";
import { Field } from "../components/basics";
import { Mark, ThemeChoice } from "../components/shell";
import { useSession } from "../session";

export function SignIn({ ended, tokenAccepted }: { ended: boolean; tokenAccepted: boolean }) {
  const { signIn } = useSession();
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState("");
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError("");
    try {
      await signIn(token);
    } catch (caught) {
      const e = caught as ApiError;
      setError(e.status === 401 ? "That is not this cluster's admin token. It is not an API key (sk_aur_…)." : e.message);
      setBusy(false);
      setToken("");
    }
  };
  return (
    <main className="signin">
      <div className="card">
        <div className="brand">
          <Mark />
          <span>Aurora</span>
        </div>
        <h1>Sign in</h1>
        {ended && (
          <div className="notice tone-info" role="status">
            Your session has ended. Sign in to go on.
          </div>
        )}
        {tokenAccepted ? (
          <form onSubmit={(event) => void submit(event)}>
            <Field label="Admin token" hint="The value of AURORA_MASTER_KEY. It is sent once and not kept in this browser.">
              {(id, hintId) => (
                <input
                  id={id}
                  type="password"
                  value={token}
                  onChange={(event) => setToken(event.target.value)}
                  autoComplete="current-password"
                  autoFocus
                  required
                  maxLength={4096}
                  aria-describedby={hintId}
                  aria-invalid={error !== ""}
                />
              )}
            </Field>
            {error !== "" && (
              <div className="notice tone-bad" role="alert">
                {error}
              </div>
            )}
            <button type="submit" className="primary wide" disabled={busy || token === ""}>
              {busy ? "Signing in…" : "Sign in"}
            </button>
          </form>
        ) : (
          <div className="notice tone-warn" role="alert">
            <div>
              <strong>This node accepts no admin token.</strong> Set AURORA_MASTER_KEY on every node and restart, or use aurora-ctl on
              the node's own socket.
            </div>
          </div>
        )}
      </div>
      <ThemeChoice />
    </main>
  );
}
