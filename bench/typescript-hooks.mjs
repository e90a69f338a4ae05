/**
 * typescript-hooks.mjs — hooks of Node's loader: a module `x.js` that is not there is `x.ts`, compiled as it is loaded.
 * Read first: nodejs.org, "Customization hooks". What packages are made of is built (dist/) and never comes this way.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** @type {import('node:module').ResolveHook} */
export async function resolve(specifier, context, next) {
  const local = /^\.{1,2}\/.*\.js$/.test(specifier) && context.parentURL !== undefined;
  const source = local ? new URL(`${specifier.slice(0, -3)}.ts`, context.parentURL) : null;
  if (source !== null && existsSync(source) && !existsSync(new URL(specifier, context.parentURL))) return { url: source.href, format: 'module', shortCircuit: true };
  return next(specifier, context);
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(readFileSync(fileURLToPath(url), 'utf8'), { compilerOptions });
  return { format: 'module', shortCircuit: true, source: outputText };
}
