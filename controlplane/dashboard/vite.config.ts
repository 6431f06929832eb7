import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` serves the sources beside a running node: AURORA_ADMIN is its REST address.
export default defineConfig({
  base: "/admin/dashboard/",
  plugins: [react()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  server: { proxy: { "/admin/api": process.env.AURORA_ADMIN ?? "http://127.0.0.1:7949" } },
});
