import { defineConfig } from 'vite';

// One script, one style sheet, one document: what the coordinator embeds and serves under a policy that allows nothing
// inline and no other host.
export default defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact' },
  build: {
    target: 'es2021',
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    rollupOptions: {
      output: {
        inlineDynamicImports: true,
        entryFileNames: 'assets/app.js',
        assetFileNames: 'assets/app[extname]',
      },
    },
  },
  server: { proxy: { '^/(v1|healthz|readyz|metrics|openapi.json)': 'http://127.0.0.1:8080' } },
});
