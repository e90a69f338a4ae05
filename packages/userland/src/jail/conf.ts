/**
 * conf.ts — the jails a configuration file describes: wildcards merged in, variables resolved.
 * Read first: jail.conf(5).
 *
 * Theory of operation. Parameters outside of any block are those of a jail called `*`. A jail's parameters are its name, then those of every
 * wildcard that matches it and stands before it, then its own, then those of matching wildcards behind it. A block inside a block is a child
 * jail, `parent.child`. `.include` reads other files in its place; they may be patterns, and may not have variables in them.
 */
import type { Proc } from '../proc.js';
import { HostError } from '../proc.js';
import { ToolExit, errx, warnx } from '../err.js';
import { utf8Text } from '../utf8.js';
import { CfJail, isWild, wildMatch } from './cf-jail.js';
import type { CfParamSpec } from './cf-jail.js';
import { globFiles, hasMagic } from './conf-glob.js';
import type { Piece } from './conf-lexer.js';
import { ConfError } from './conf-lexer.js';
import { parseConf } from './conf-parser.js';
import type { ConfParam, ConfStatement } from './conf-parser.js';

/** Files that may include each other in a row. */
const MAX_INCLUDE_DEPTH = 32;

interface Entry {
  readonly name: string;
  readonly params: CfParamSpec[];
}

async function readAll(p: Proc, file: string): Promise<string> {
  if (file === '-') {
    let all = '';
    for await (const chunk of p.stdin) all += utf8Text(chunk);
    return all;
  }
  try {
    if (p.host === null) throw new HostError('ENOENT', 'No such file or directory');
    return utf8Text(await p.host.readFile(file));
  } catch (error) {
    if (error instanceof HostError) return errx(p, 1, `${file}: ${error.message}`);
    throw error;
  }
}

/** Collects entries in the order of the file. */
class Collector {
  readonly entries: Entry[] = [];
  /** Something was wrong that did not keep the rest from being read. */
  failed = false;
  private readonly p: Proc;
  private global: Entry | null = null;

  constructor(p: Proc) {
    this.p = p;
  }

  async file(name: string, into: Entry | null, depth: number): Promise<void> {
    if (depth > MAX_INCLUDE_DEPTH) errx(this.p, 1, 'maximum include depth exceeded');
    const source = await readAll(this.p, name);
    const shown = name === '-' ? 'STDIN' : name;
    let statements: ConfStatement[];
    try {
      statements = parseConf(source);
    } catch (error) {
      if (!(error instanceof ConfError)) throw error;
      warnx(this.p, error.message === 'unexpected EOF' ? `${shown}: ${error.message}` : `${shown} ${error.message}`);
      throw new ToolExit(1);
    }
    await this.statements(statements, into, name, depth);
  }

  private async statements(statements: readonly ConfStatement[], into: Entry | null, file: string, depth: number): Promise<void> {
    for (const s of statements) {
      if (s.kind === 'jail') {
        const entry: Entry = { name: into === null ? s.name : `${into.name}.${s.name}`, params: [] };
        this.entries.push(entry);
        await this.statements(s.body, entry, file, depth);
      } else if (s.name === '.include' && s.join === 'space' && !s.isVariable) {
        for (const value of s.values) await this.include(value, s.line, into, file, depth);
      } else {
        (into ?? this.globalEntry()).params.push(specOf(s));
      }
    }
  }

  private async include(value: readonly Piece[], line: number, into: Entry | null, file: string, depth: number): Promise<void> {
    const [piece, ...more] = value;
    if (piece === undefined || more.length > 0 || !('text' in piece)) {
      warnx(this.p, `${file === '-' ? 'STDIN' : file} line ${line}: variables not permitted in '.include' filename`);
      this.failed = true;
      return;
    }
    const folder = file === '-' || piece.text.startsWith('/') ? '' : file.slice(0, file.lastIndexOf('/') + 1);
    const name = folder + piece.text;
    const files = hasMagic(name) && this.p.host !== null ? await globFiles(this.p.host, name) : [name];
    for (const included of files) await this.file(included, into, depth + 1);
  }

  private globalEntry(): Entry {
    if (this.global === null) {
      this.global = { name: '*', params: [] };
      this.entries.push(this.global);
    }
    return this.global;
  }
}

function specOf(s: ConfParam): CfParamSpec {
  return { name: s.name, isVariable: s.isVariable, append: s.join === '+=', values: s.values };
}

/** The jails of a file (`-` is standard input), in its order. Leaves the tool when it cannot be read. */
export async function loadConf(p: Proc, file: string): Promise<CfJail[]> {
  const collector = new Collector(p);
  await collector.file(file, null, 0);
  if (collector.failed) throw new ToolExit(1);
  const { entries } = collector;
  return entries.flatMap((entry, i) => (isWild(entry.name) ? [] : [merge(p, entries, entry, i)]));
}

function merge(p: Proc, entries: readonly Entry[], entry: Entry, at: number): CfJail {
  const j = new CfJail(p, entry.name);
  j.addText(/^[+-]?0*[1-9][0-9]*$/.test(entry.name) ? 'jid' : 'name', entry.name);
  entries.forEach((other, i) => {
    if (i === at || (isWild(other.name) && wildMatch(entry.name, other.name))) for (const spec of other.params) j.add(spec);
  });
  j.resolve();
  return j;
}
