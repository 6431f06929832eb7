// Who is here: the session as the node tells it. Only this file sees the admin token, and only while it is sent.
import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useState, type ReactNode } from "react";

import { ApiError, call, get, setCsrfToken, whenSignedOut } from "./api/client";
import type { Session } from "./api/types";

type State =
  | { kind: "asking" }
  | { kind: "unreachable"; error: ApiError }
  | { kind: "out"; ended: boolean; tokenAccepted: boolean }
  | { kind: "in"; expiresAt: string };

interface Sessions {
  state: State;
  ask(): Promise<void>;
  signIn(token: string): Promise<void>;
  signOut(): Promise<void>;
}

const Context = createContext<Sessions | null>(null);

export function SessionProvider({ children }: { children: ReactNode }) {
  const [state, setState] = useState<State>({ kind: "asking" });
  const queries = useQueryClient();

  const take = useCallback((session: Session) => {
    setCsrfToken(session.csrf_token ?? "");
    setState(
      session.signed_in
        ? { kind: "in", expiresAt: session.expires_at ?? "" }
        : { kind: "out", ended: false, tokenAccepted: session.token_accepted },
    );
  }, []);

  const ask = useCallback(async () => {
    try {
      take((await get<Session>("session")).data);
    } catch (error) {
      setState({ kind: "unreachable", error: error as ApiError });
    }
  }, [take]);

  useEffect(() => {
    whenSignedOut(() => {
      setCsrfToken("");
      queries.clear();
      setState({ kind: "out", ended: true, tokenAccepted: true });
    });
    void ask();
  }, [ask, queries]);

  const sessions = useMemo<Sessions>(
    () => ({
      state,
      ask,
      signIn: async (token) => take((await call<Session>("POST", "session", { token })).data),
      signOut: async () => {
        const answer = await call<Session>("DELETE", "session");
        queries.clear();
        take(answer.data);
      },
    }),
    [state, ask, take, queries],
  );
  return <Context.Provider value={sessions}>{children}</Context.Provider>;
}

export function useSession(): Sessions {
  const sessions = useContext(Context);
  if (sessions === null) throw new Error("useSession outside of SessionProvider");
  return sessions;
}
