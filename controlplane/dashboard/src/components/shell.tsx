// The frame around every page: where one can go, the theme, signing out.
import { useEffect, type MouseEvent, type ReactNode } from "react";

import { setPrefs, usePrefs, type Theme } from "../prefs";
import { kBase, navigate, usePath } from "../router";
import { useSession } from "../session";

const kPages = [
  { path: "/overview", label: "Overview", icon: "M3 12l3.5-4 3 2.5L15 4M3 15.5h12" },
  { path: "/cluster", label: "Cluster", icon: "M9 6.6a2.1 2.1 0 1 0 0-4.2 2.1 2.1 0 0 0 0 4.2zM4.4 15.6a2.1 2.1 0 1 0 0-4.2 2.1 2.1 0 0 0 0 4.2zM13.6 15.6a2.1 2.1 0 1 0 0-4.2 2.1 2.1 0 0 0 0 4.2zM8 6.4l-2.6 5.2M10 6.4l2.6 5.2M6.5 13.5h5" },
  { path: "/keys", label: "API keys", icon: "M10.4 7.6l5-5M13 5l2 2M6.5 15a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7z" },
  { path: "/settings/routing", label: "Settings", icon: "M3 5h7M13.5 5H15M3 13h1.5M8 13h7M11.7 6.7a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM6.2 14.7a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4z" },
] as const;

export function Link({ to, children, className, current }: { to: string; children: ReactNode; className?: string; current?: boolean }) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    navigate(kBase + to);
  };
  return (
    <a href={kBase + to} onClick={follow} className={className} aria-current={current === true ? "page" : undefined}>
      {children}
    </a>
  );
}

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" className="mark">
      <rect width="32" height="32" rx="8" />
      <path d="M7 23 16 8l9 15" className="mark-a" />
      <path d="M11.5 19h9" className="mark-b" />
    </svg>
  );
}

export function ThemeChoice() {
  const { theme } = usePrefs();
  return (
    <select className="small" aria-label="Theme" value={theme} onChange={(event) => setPrefs({ theme: event.target.value as Theme })}>
      <option value="system">System theme</option>
      <option value="light">Light</option>
      <option value="dark">Dark</option>
    </select>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const path = usePath();
  const { signOut } = useSession();
  const page = kPages.find((each) => path.startsWith(each.path.split("/", 2).join("/")));
  useEffect(() => {
    document.title = `${page?.label ?? "Not found"} · Aurora`;
  }, [page]);
  return (
    <div className="shell">
      <a href="#main" className="skip">
        Skip to content
      </a>
      <header className="side">
        <Link to="/overview" className="brand">
          <Mark />
          <span>Aurora</span>
        </Link>
        <nav aria-label="Pages">
          {kPages.map((each) => (
            <Link key={each.path} to={each.path} current={each === page}>
              <svg viewBox="0 0 18 18" width="18" height="18" aria-hidden="true">
                <path d={each.icon} fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" />
              </svg>
              <span>{each.label}</span>
            </Link>
          ))}
        </nav>
        <div className="side-foot">
          <ThemeChoice />
          <button type="button" className="small" onClick={() => void signOut()}>
            Sign out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

export function PageHead({ title, about, children }: { title: string; about?: ReactNode; children?: ReactNode }) {
  return (
    <div className="page-head">
      <div>
        <h1>{title}</h1>
        {about !== undefined && <p className="muted">{about}</p>}
      </div>
      {children}
    </div>
  );
}
