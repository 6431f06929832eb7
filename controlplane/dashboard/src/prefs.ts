// What the person prefers: theme and refresh interval. A cookie of its own, below /admin, that holds nothing else.
import { useSyncExternalStore } from "react";

export type Theme = "system" | "light" | "dark";
export const kIntervals = [2, 5, 10, 30, 60, 300] as const;
export const kDefaultInterval = 30;

export interface Prefs {
  theme: Theme;
  refresh: number;
}

const kCookie = "aurora_prefs";
const listeners = new Set<() => void>();

function read(): Prefs {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith(`${kCookie}=`));
  const [theme, refresh] = (found?.slice(kCookie.length + 1) ?? "").split(".");
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    refresh: kIntervals.find((seconds) => seconds === Number(refresh)) ?? kDefaultInterval,
  };
}

let current = read();

function apply(): void {
  if (current.theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = current.theme;
}
apply();

export function setPrefs(change: Partial<Prefs>): void {
  current = { ...current, ...change };
  const secure = window.location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${kCookie}=${current.theme}.${current.refresh}; Path=/admin; SameSite=Strict; Max-Age=31536000${secure}`;
  apply();
  for (const run of listeners) run();
}

export const usePrefs = () =>
  useSyncExternalStore(
    (run) => {
      listeners.add(run);
      return () => listeners.delete(run);
    },
    () => current,
  );
