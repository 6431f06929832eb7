import { useSyncExternalStore } from "react";

const narrow = window.matchMedia("(max-width: 760px)");

export const useNarrow = () =>
  useSyncExternalStore(
    (run) => {
      narrow.addEventListener("change", run);
      return () => narrow.removeEventListener("change", run);
    },
    () => narrow.matches,
  );
