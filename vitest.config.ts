/**
 * vitest.config.ts — how the tests run: one project over all packages, tools and examples.
 *
 * `@netloom/*` resolves to TypeScript sources through the export condition `netloom-src`, so tests need no build.
 * Tests that spawn worker threads or the command line itself use `dist/`; `npm test` builds before it tests.
 */
import { defineConfig } from 'vitest/config';

const conditions = ['netloom-src', 'node', 'import', 'module', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'tools/**/*.test.ts', 'examples/**/*.test.ts'],
    environment: 'node',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    pool: 'forks',
  },
});
