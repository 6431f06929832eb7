// Where we are: the path below /admin/dashboard, and the query as state that a link carries.
import { useCallback, useSyncExternalStore } from "react";

export const kBase = "/admin/dashboard";
const kChanged = "aurora:location";

function subscribe(run: () => void): () => void {
  window.addEventListener("popstate", run);
  window.addEventListener(kChanged, run);
  return () => {
    window.removeEventListener("popstate", run);
    window.removeEventListener(kChanged, run);
  };
}

export function navigate(to: string, replace = false): void {
  window.history[replace ? "replaceState" : "pushState"](null, "", to);
  window.dispatchEvent(new Event(kChanged));
}

export const usePath = () =>
  useSyncExternalStore(subscribe, () => window.location.pathname).slice(kBase.length).replace(/\/+$/, "") || "/";

const useSearch = () => useSyncExternalStore(subscribe, () => window.location.search);

// One value of the query; its default is not written.
export function useParam(name: string, fallback: string): [string, (value: string, push?: boolean) => void] {
  const value = new URLSearchParams(useSearch()).get(name) ?? fallback;
  const set = useCallback(
    (next: string, push = false) => {
      const query = new URLSearchParams(window.location.search);
      if (next === fallback) query.delete(name);
      else query.set(name, next);
      const text = query.toString();
      navigate(window.location.pathname + (text === "" ? "" : `?${text}`), !push);
    },
    [name, fallback],
  );
  return [value, set];
}
