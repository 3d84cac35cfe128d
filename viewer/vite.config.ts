import { defineConfig } from 'vite'

/** The server serves viewer/dist at `/`; nothing is fetched from any other host. */
export default defineConfig({
  base: './',
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    chunkSizeWarningLimit: 900,
    assetsInlineLimit: 2048,
  },
  worker: { format: 'es' },
})
