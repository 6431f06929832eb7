import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { lazy, StrictMode, Suspense, useEffect } from "react";
import { createRoot } from "react-dom/client";

import type { ApiError } from "./api/client";
import { Empty, Skeleton, Trouble } from "./components/basics";
import { Link, Shell } from "./components/shell";
import { SignIn } from "./pages/signin";
import { kBase, navigate, usePath } from "./router";
import { SessionProvider, useSession } from "./session";
import "./styles/theme.css";
import "./styles/layout.css";
import "./styles/parts.css";

const Overview = lazy(() => import("./pages/overview"));
const Cluster = lazy(() => import("./pages/cluster"));
const Keys = lazy(() => import("./pages/keys"));
const Settings = lazy(() => import("./pages/settings"));

// A node of another version may have no such file any more: the page as it is now knows which it wants.
window.addEventListener("vite:preloadError", () => window.location.reload());

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // Behind a proxy another node may answer what one that has just died did not.
      retry: (failures, error) => failures < 2 && ((error as ApiError).status === 0 || (error as ApiError).status >= 502),
      retryDelay: 250,
      refetchOnWindowFocus: true,
      staleTime: 1000,
    },
  },
});

function Page() {
  const path = usePath();
  useEffect(() => {
    if (path === "/") navigate(`${kBase}/cluster`, true);
    if (path === "/settings") navigate(`${kBase}/settings/routing`, true);
  }, [path]);
  if (path === "/overview") return <Overview />;
  if (path === "/cluster") return <Cluster />;
  if (path === "/keys") return <Keys />;
  if (path.startsWith("/settings/")) return <Settings tab={path.slice("/settings/".length)} />;
  if (path === "/" || path === "/settings") return null;
  return (
    <Empty title="There is no such page">
      <p>
        <Link to="/cluster">Go to the cluster</Link>
      </p>
    </Empty>
  );
}

function App() {
  const { state, ask } = useSession();
  if (state.kind === "asking") return <Skeleton label="Loading" />;
  if (state.kind === "unreachable") {
    return (
      <main className="signin">
        <Trouble error={state.error} retry={() => void ask()} />
      </main>
    );
  }
  if (state.kind === "out") return <SignIn ended={state.ended} tokenAccepted={state.tokenAccepted} />;
  return (
    <Shell>
      <Suspense fallback={<Skeleton label="Loading" rows={6} />}>
        <Page />
      </Suspense>
    </Shell>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <SessionProvider>
        <App />
      </SessionProvider>
    </QueryClientProvider>
  </StrictMode>,
);
