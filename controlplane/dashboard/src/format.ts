// Numbers and times for people. All absolute times are local, with the zone; the API's are UTC.

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "narrow" });
const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (n: number) => whole.format(n);
export const compact = (n: number) => (Math.abs(n) < 10_000 ? whole.format(n) : short.format(n));

export function usd(n: number): string {
  const digits = n !== 0 && Math.abs(n) < 1 ? 4 : 2;
  return new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumFractionDigits: digits }).format(n);
}

export const percent = (part: number, all: number) =>
  all === 0 ? "0%" : `${((100 * part) / all).toFixed(part === 0 || part === all ? 0 : (100 * part) / all < 1 ? 2 : 1)}%`;

export function millis(ms: number): string {
  if (ms < 1) return ms === 0 ? "0 ms" : `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return `${Math.round(ms / 60_000)} min`;
}

export function ago(from: number, now: number): string {
  const s = Math.round((now - from) / 1000);
  if (Math.abs(s) < 1) return "just now";
  if (Math.abs(s) < 60) return relative.format(-s, "second");
  if (Math.abs(s) < 3600) return relative.format(-Math.round(s / 60), "minute");
  if (Math.abs(s) < 86_400) return relative.format(-Math.round(s / 3600), "hour");
  return relative.format(-Math.round(s / 86_400), "day");
}

export const absolute = (iso: string) =>
  new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });

export function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}
