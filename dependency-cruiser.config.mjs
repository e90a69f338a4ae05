/**
 * dependency-cruiser.config.mjs — entry point of the dependency checker; the rules are generated in tools/dependency-rules.mjs.
 */
import { dependencyRules } from './tools/dependency-rules.mjs';

export default {
  forbidden: dependencyRules(import.meta.dirname),
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    doNotFollow: { path: '(^|/)node_modules/' },
    exclude: { path: '^packages/[^/]+/dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['netloom-src', 'node', 'import', 'types', 'default'],
      extensions: ['.ts', '.mjs', '.js', '.d.ts', '.json'],
    },
    reporterOptions: { text: { highlightFocused: false } },
  },
};
