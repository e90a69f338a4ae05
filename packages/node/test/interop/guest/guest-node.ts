/**
 * guest-node.ts — programs of ours in a test guest: Node, koffi, and the sources that one file needs, compiled.
 * Read first: guest-image.ts.
 *
 *     { image: { programs: ['node'], files: nodeProgram('interop/netbuf/netbuf-guest.ts') }, memoryMb: NODE_MEMORY_MB }
 *     await guest.ok(runProgram('interop/netbuf/netbuf-guest.ts', 'rows'));
 *
 * Theory of operation. From the file on, imports by relative paths are followed, types are taken out of each, and all lie in the guest as they lie in the repository, under /app. Nothing else of npm's is there
 * but koffi, whose binary has to be this machine's, as Node is.
 *
 * Not here: packages by their names. A program for a guest imports what it needs by paths.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '../../../../..');
const TESTS = 'packages/node/test';
const APP = '/app';
/** Node and its archive of 110 MB, twice while it is unpacked. */
export const NODE_MEMORY_MB = 640;

/** The files of a program under packages/node/test, by where they are in the guest. */
export function nodeProgram(entry: string): Record<string, string | Uint8Array> {
  const files: Record<string, string | Uint8Array> = { [`${APP}/package.json`]: '{ "type": "module" }' };
  const compile = (path: string): void => {
    const at = `${APP}/${relative(ROOT, path).replace(/\.ts$/, '.js')}`;
    if (at in files) return;
    const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true } });
    files[at] = outputText;
    for (const [, target] of outputText.matchAll(/\bfrom '(\.[^']+)\.js'/g)) compile(join(dirname(path), `${target}.ts`));
  };
  compile(join(ROOT, TESTS, entry));
  return { ...files, ...koffiFiles() };
}

/** The command that runs it. */
export function runProgram(entry: string, ...args: readonly string[]): string {
  return `/bin/node ${APP}/${TESTS}/${entry.replace(/\.ts$/, '.js')} ${args.join(' ')}`;
}

/** koffi's loader, and its binary for this machine. */
function koffiFiles(): Record<string, Uint8Array> {
  const modules = dirname(dirname(createRequire(import.meta.url).resolve('koffi')));
  const binary = `@koromix/koffi-${process.platform}-${process.arch}`;
  const files: Record<string, Uint8Array> = {};
  const add = (folder: string): void => {
    for (const name of readdirSync(join(modules, folder)).filter((one) => one !== 'vendor' && one !== 'doc')) {
      const path = join(folder, name);
      if (statSync(join(modules, path)).isDirectory()) add(path);
      else if (/\.(c?js|json|node)$/.test(name)) files[`${APP}/node_modules/${path}`] = readFileSync(join(modules, path));
    }
  };
  add('koffi');
  if (!existsSync(join(modules, binary))) throw new Error(`no ${binary} for the guest`);
  add(binary);
  return files;
}
