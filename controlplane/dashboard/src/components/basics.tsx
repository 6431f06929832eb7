// Small parts that every page uses.
import { useEffect, useId, useRef, useState, type ReactNode } from "react";

import type { ApiError } from "../api/client";
import { absolute, ago } from "../format";
import { useNow } from "../time";

export type Tone = "ok" | "warn" | "bad" | "idle" | "info";

const kMarks: Record<Tone, string> = {
  ok: "M4 8.5l2.7 2.7L12 5.5",
  warn: "M8 4v5M8 11.6v.1",
  bad: "M5 5l6 6M11 5l-6 6",
  idle: "M5 8h6",
  info: "M8 7.4v4.2M8 4.5v.1",
};

// A state as shape, colour and words: none of them alone.
export function Badge({ tone, children, title }: { tone: Tone; children: ReactNode; title?: string }) {
  return (
    <span className={`badge tone-${tone}`} title={title}>
      <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        <path d={kMarks[tone]} fill="none" stroke="currentColor" strokeWidth="2.2" strokeLinecap="round" strokeLinejoin="round" />
      </svg>
      {children}
    </span>
  );
}

export function Chip({ children, title, lead = false }: { children: ReactNode; title?: string; lead?: boolean }) {
  return (
    <span className={lead ? "chip lead" : "chip"} title={title}>
      {children}
    </span>
  );
}

// What the node says, with its `commands` set as such.
export function Sentence({ text }: { text: string }) {
  return <span>{text.split("`").map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</span>;
}

export function Time({ at, missing = "never" }: { at: string | null; missing?: string }) {
  const now = useNow();
  if (at === null || at === "") return <span className="muted">{missing}</span>;
  return (
    <time dateTime={at} title={absolute(at)}>
      {ago(Date.parse(at), now)}
    </time>
  );
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [done, setDone] = useState<"" | "Copied" | "Select it and copy">("");
  useEffect(() => {
    if (done === "") return;
    const timer = setTimeout(() => setDone(""), 2000);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () =>
    navigator.clipboard
      ? navigator.clipboard.writeText(text).then(
          () => setDone("Copied"),
          () => setDone("Select it and copy"),
        )
      : setDone("Select it and copy");
  return (
    <button type="button" className="ghost small" onClick={() => void copy()} aria-label={`Copy ${label}`}>
      <span aria-live="polite">{done === "" ? "Copy" : done}</span>
    </button>
  );
}

export function Tile({ label, children, note, tone }: { label: string; children: ReactNode; note?: ReactNode; tone?: Tone }) {
  return (
    <div className={`tile${tone === undefined ? "" : ` edge-${tone}`}`}>
      <dt>{label}</dt>
      <dd>
        <div className="tile-value">{children}</div>
        {note !== undefined && <div className="tile-note">{note}</div>}
      </dd>
    </div>
  );
}

export function Skeleton({ rows = 4, label }: { rows?: number; label: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

function explain(error: ApiError): [string, string] {
  if (error.status === 403) return ["You may not see this", error.message];
  if (error.status === 0) return ["The node does not answer", error.message];
  if (error.notInThisVersion) return ["Not available on this version", "The node that answered does not know this call."];
  if (error.status >= 500) return ["The node could not answer", error.message];
  return ["That did not work", error.message];
}

export function Trouble({ error, retry }: { error: ApiError; retry?: () => void }) {
  const [title, text] = explain(error);
  return (
    <div className="notice tone-bad" role="alert">
      <div>
        <strong>{title}.</strong> {text}
        <div className="muted small-text">
          {error.status === 0 ? "" : `HTTP ${error.status}${error.code === "" ? "" : ` · ${error.code}`}`}
          {error.node === "" ? "" : ` · answered by ${error.node}`}
        </div>
      </div>
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children: (id: string, hintId?: string) => ReactNode }) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id, hint === undefined ? undefined : `${id}-hint`)}
      {hint !== undefined && (
        <div className="hint" id={`${id}-hint`}>
          {hint}
        </div>
      )}
    </div>
  );
}

// The platform's own modal: it keeps the focus inside, gives it back, and closes on Escape.
export function Dialog(props: { title: string; onClose: () => void; drawer?: boolean; sticky?: boolean; children: ReactNode }) {
  const { title, onClose, drawer = false, sticky = false, children } = props;
  const ref = useRef<HTMLDialogElement>(null);
  const pressedOn = useRef<EventTarget | null>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog !== null && !dialog.open) {
      dialog.showModal();
      dialog.querySelector<HTMLElement>("form input, form select")?.focus();
    }
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={drawer ? "drawer" : "modal"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (!sticky) onClose();
      }}
      onMouseDown={(event) => (pressedOn.current = event.target)}
      onClick={(event) => {
        if (!sticky && event.target === ref.current && pressedOn.current === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <header>
          <h2 id={id}>{title}</h2>
          <button type="button" className="ghost icon" onClick={onClose} aria-label="Close">
            <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
              <path d="M4 4l8 8M12 4l-8 8" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" />
            </svg>
          </button>
        </header>
        {children}
      </div>
    </dialog>
  );
}
