/**
 * lab-file.ts — reads a lab file: YAML, then the schema, then what a schema cannot say; every problem with its line and column.
 *
 * Read first: schema/lab.schema.json; docs/lab-file.md.
 *
 * Theory of operation. The `yaml` library keeps the position of every node. ajv names a failing value by its path, which is looked up in
 * the document again; the words of an error come from the schema's own `x-expects` ("an MTU from 72 to 65535") and `x-name`.
 * Checks across the file (lab-check.ts) run only when the form is right.
 *
 * Invariant: `lab` is null exactly when there are problems. Problems are sorted by position.
 */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { LineCounter, isMap, isNode, isPair, isScalar, parseDocument, visit } from 'yaml';
import type { Document } from 'yaml';
import { checkLab } from './lab-check.js';
import type { Lab, LabPath } from './lab-model.js';
import { nearest } from './nearest.js';

/** One thing to mend. `line` and `column` count from 1. */
export interface LabProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly remedy: string;
}

export interface LabFile {
  readonly file: string;
  readonly lab: Lab | null;
  readonly problems: readonly LabProblem[];
  /** Position of a part of the lab, or of the nearest part around it. */
  locate(path: LabPath): { readonly line: number; readonly column: number };
}

/** `FILE:LINE:COL: message (remedy)`. */
export function formatProblem(file: string, { line, column, message, remedy }: LabProblem): string {
  return `${file}:${line}:${column}: ${message}${remedy === '' ? '' : ` (${remedy})`}`;
}

interface SchemaNode {
  readonly 'x-expects'?: string;
  readonly 'x-name'?: string;
  readonly properties?: Readonly<Record<string, unknown>>;
}

export const labSchema: SchemaNode = JSON.parse(readFileSync(new URL('../../schema/lab.schema.json', import.meta.url), 'utf8')) as SchemaNode;

/** Characters of a wrong value that a message repeats. */
const SHOWN_MAX = 80;

/** Compiled when the first lab is read: most commands read none. */
let compiled: ValidateFunction | null = null;

function validator(): ValidateFunction {
  compiled ??= new Ajv({ allErrors: true, verbose: true, allowUnionTypes: true, keywords: ['x-expects', 'x-name'], strictTypes: false }).compile(labSchema);
  return compiled;
}

export function readLab(file: string, text: string): LabFile {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const locate = (path: LabPath): { line: number; column: number } => position(lines, offsetOf(doc, path));
  const problems: LabProblem[] = [...doc.errors, ...doc.warnings].map((e) => ({ ...position(lines, e.pos[0]), message: firstLine(e.message), remedy: 'correct the YAML' }));
  if (problems.length === 0) problems.push(...aliasProblems(doc, lines));
  const value: unknown = problems.length === 0 ? doc.toJS() : null;
  const validate = validator();
  if (problems.length === 0 && !validate(value)) problems.push(...schemaProblems(doc, lines, validate.errors ?? []));
  if (problems.length === 0) {
    for (const { path, message, remedy } of checkLab(value as Lab)) problems.push({ ...locate(path), message, remedy });
  }
  problems.sort((a, b) => a.line - b.line || a.column - b.column);
  return { file, lab: problems.length === 0 ? (value as Lab) : null, problems, locate };
}

/** Aliases without an anchor before them, or inside their own: the library parses them, and throws when the values are asked for. */
function aliasProblems(doc: Document, lines: LineCounter): LabProblem[] {
  const problems: LabProblem[] = [];
  visit(doc, {
    Alias(_, alias, path) {
      const node = alias.resolve(doc);
      if (node !== undefined && !path.includes(node)) return;
      const message = node === undefined ? `there is no anchor "&${alias.source}" before this alias` : `alias "*${alias.source}" stands for a part of the file that it is in`;
      problems.push({ ...position(lines, alias.range?.[0] ?? 0), message, remedy: 'correct the YAML' });
    },
  });
  if (problems.length > 0) return problems;
  try {
    doc.toJS();
  } catch (error) {
    problems.push({ line: 1, column: 1, message: firstLine((error as Error).message), remedy: 'write the parts out' });
  }
  return problems;
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.replace(/ at line \d+.*$/, '') ?? text;
}

function position(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Where the node at `path` starts; for a path that is not there, the nearest one above it. A key's own position for a map entry without value. */
function offsetOf(doc: Document, path: LabPath): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? doc.contents : doc.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range !== undefined && node.range !== null && !(isScalar(node) && node.source === '')) return node.range[0];
    const key = keyOffset(doc, path.slice(0, length));
    if (key !== null) return key;
  }
  return 0;
}

/** Where the key that `path` ends in is written. */
function keyOffset(doc: Document, path: LabPath): number | null {
  if (path.length === 0) return null;
  const parent = path.length === 1 ? doc.contents : doc.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return null;
  const pair = parent.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(path.at(-1)));
  return isScalar(pair?.key) ? (pair.key.range?.[0] ?? null) : null;
}

function schemaProblems(doc: Document, lines: LineCounter, errors: readonly ErrorObject[]): LabProblem[] {
  const problems = new Map<string, LabProblem>();
  for (const error of errors) {
    // A failing propertyNames is reported twice: once for the name, with the reason, once for the map.
    if (error.keyword === 'propertyNames') continue;
    const path = error.instancePath.split('/').slice(1).map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const { at, message, remedy } = explain(error, path);
    const offset = at.key ? (keyOffset(doc, at.path) ?? offsetOf(doc, at.path)) : offsetOf(doc, at.path);
    const where = position(lines, offset);
    const key = `${where.line}:${where.column}`;
    if (!problems.has(key)) problems.set(key, { ...where, message, remedy });
  }
  return [...problems.values()];
}

interface Explanation {
  readonly at: { readonly path: LabPath; readonly key: boolean };
  readonly message: string;
  readonly remedy: string;
}

function explain(error: ErrorObject, path: string[]): Explanation {
  const schema = error.parentSchema as SchemaNode;
  const what = schema['x-name'] ?? (path.length === 0 ? 'the lab' : `"${path.at(-1)}"`);
  const params = error.params as Readonly<Record<string, unknown>>;
  if (error.keyword === 'additionalProperties') {
    const key = String(params.additionalProperty);
    const known = Object.keys(schema.properties ?? {});
    const near = nearest(key, known);
    return { at: { path: [...path, key], key: true }, message: `unknown key ${quoted(key)} in ${what}`, remedy: near === null ? `known: ${known.join(', ')}` : `did you mean "${near}"?` };
  }
  if (error.keyword === 'required') return { at: { path, key: false }, message: `${what} has no "${String(params.missingProperty)}"`, remedy: `add "${String(params.missingProperty)}:"` };
  if (error.propertyName !== undefined) {
    const name = error.propertyName;
    return { at: { path: [...path, name], key: true }, message: `${quoted(name)} is not ${schema['x-expects'] ?? 'a name that is allowed here'}`, remedy: 'choose another name' };
  }
  const shown = showValue(error.data);
  const expects = schema['x-expects'] ?? expectation(error);
  return { at: { path, key: false }, message: `${shown} is not ${expects}`, remedy: `give ${path.length === 0 ? 'the lab' : `"${lastName(path)}"`} ${expects}` };
}

function lastName(path: readonly string[]): string {
  return [...path].reverse().find((part) => !/^\d+$/.test(part)) ?? '';
}

function expectation(error: ErrorObject): string {
  if (error.keyword !== 'type') return `valid: it ${error.message ?? 'is refused'}`;
  const types = [error.params.type as string | string[]].flat().filter((t) => t !== 'null');
  return types.map((t) => ({ object: 'a map of keys and values', array: 'a list', string: 'text', integer: 'a whole number', number: 'a number', boolean: 'true or false' })[t] ?? t).join(' or ');
}

/** In quotes; of a long text the beginning. */
function quoted(text: string): string {
  return text.length <= SHOWN_MAX ? `"${text}"` : `"${text.slice(0, SHOWN_MAX)}..." (${text.length} characters)`;
}

function showValue(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'a map';
  return value === null || value === undefined ? 'nothing' : String(value);
}
