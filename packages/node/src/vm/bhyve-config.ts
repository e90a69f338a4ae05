/**
 * bhyve-config.ts — bhyve's configuration variables: a tree of names, values that refer to others, and the file form of both.
 * Read first: bhyve_config(5).
 *
 * Every option of the command line sets variables, and so does a line of a file given with -k and an -o. What the machine is, is read from
 * the variables alone (bhyve-machine.ts), so all three ways mean the same.
 *
 * A name with dots is a path; a node has variables or nodes below it, never a value of its own. A value that has a percent sign anywhere is expanded
 * when it is read: `%(name)` is another variable, a backslash takes the next character as it is.
 */

/** bhyve has ended itself: exit code, and what it wrote on standard error. */
export class BhyveExit extends Error {
  override readonly name = 'BhyveExit';
  readonly code: number;
  readonly text: string;

  constructor(code: number, text: string) {
    super(text.trimEnd());
    this.code = code;
    this.text = text;
  }
}

/** sysexits(3) */
export const EX_USAGE = 64;
/** What bhyve ends with when a device or a value is wrong. */
export const EXIT_ERROR = 4;

/** errx(3) of bhyve. */
export function errx(code: number, text: string): never {
  throw new BhyveExit(code, `bhyve: ${text}\n`);
}

const DEPTH_MAX = 15;

export type ConfigNode = Map<string, string | ConfigNode>;

export class BhyveConfig {
  readonly root: ConfigNode = new Map();
  /** What warnx(3) said on the way. */
  readonly warnings: string[] = [];

  /** The node at a path, made on the way. */
  createNode(path: string): ConfigNode {
    let node = this.root;
    for (const name of path.split('.')) {
      const below = node.get(name);
      if (name === '') errx(EXIT_ERROR, `Failed to create configuration node ${path}`);
      if (typeof below === 'string') {
        this.warn(`Configuration node ${path} is a child of existing variable ${path.slice(0, path.indexOf(name) + name.length)}`);
        errx(EXIT_ERROR, `Failed to create configuration node ${path}`);
      }
      const next: ConfigNode = below ?? new Map();
      node.set(name, next);
      node = next;
    }
    return node;
  }

  findNode(path: string): ConfigNode | null {
    let node: ConfigNode = this.root;
    for (const name of path.split('.')) {
      const below = node.get(name);
      if (!(below instanceof Map)) return null;
      node = below;
    }
    return node;
  }

  set(path: string, value: string): void {
    const dot = path.lastIndexOf('.');
    const node = dot < 0 ? this.root : this.createNode(path.slice(0, dot));
    if (node.get(path.slice(dot + 1)) instanceof Map) errx(EXIT_ERROR, `Attempting to add value ${value} to existing node ${path}`);
    node.set(path.slice(dot + 1), value);
  }

  /** set_config_value_node */
  setIn(node: ConfigNode, name: string, value: string): void {
    if (name.includes('.')) errx(EXIT_ERROR, `Invalid config node name ${name}`);
    node.set(name, value);
  }

  get(path: string): string | null {
    const value = this.raw(path);
    return value === null ? null : this.expand(value);
  }

  getIn(node: ConfigNode, name: string): string | null {
    const value = node.get(name);
    return typeof value === 'string' ? this.expand(value) : null;
  }

  /** A switch; `fallback` when nobody has said. */
  flag(path: string, fallback: boolean): boolean {
    const value = this.get(path);
    return value === null ? fallback : booleanOf(path, value);
  }

  flagIn(node: ConfigNode, name: string, fallback: boolean): boolean {
    const value = this.getIn(node, name);
    return value === null ? fallback : booleanOf(name, value);
  }

  /** Options behind a device's name, `name=value` or a bare name for true, separated by commas: pci_parse_legacy_config. */
  setWords(node: ConfigNode, text: string): void {
    for (const word of text.split(',')) {
      const at = word.indexOf('=');
      this.setIn(node, at < 0 ? word : word.slice(0, at), at < 0 ? 'true' : word.slice(at + 1));
    }
  }

  /** `name=value` of -o and of a file's line; false when it is none. */
  setOption(text: string): boolean {
    const at = text.indexOf('=');
    if (at < 0 || at === text.length - 1) return false;
    this.set(text.slice(0, at), text.slice(at + 1));
    return true;
  }

  /** A file of -k. */
  setFile(path: string, text: string): void {
    const lines = text.split('\n');
    lines.forEach((line, i) => {
      if (line === '' || line.startsWith('#')) return;
      if (!this.setOption(line)) errx(EXIT_ERROR, `${path} line ${i + 1}: invalid config option '${line}'`);
    });
  }

  /** All variables, as `-o config.dump=1` prints them. */
  dump(): string {
    const lines = (prefix: string, node: ConfigNode): string =>
      [...node].map(([name, value]) => (typeof value === 'string' ? `${prefix}${name}=${value}\n` : lines(`${prefix}${name}.`, value))).join('');
    return lines('', this.root);
  }

  private raw(path: string): string | null {
    const dot = path.lastIndexOf('.');
    const node = dot < 0 ? this.root : this.findNode(path.slice(0, dot));
    const value = node?.get(path.slice(dot + 1));
    if (value instanceof Map) this.warn(`Attempting to fetch value of node ${path}`);
    return typeof value === 'string' ? value : null;
  }

  private expand(value: string, depth = 0): string {
    if (!value.includes('%')) return value;
    let text = '';
    for (let i = 0; i < value.length;) {
      const ch = value.charAt(i);
      if (ch === '\\') {
        if (i + 1 === value.length) this.warn(`Trailing \\ in configuration value "${value}"`);
        text += value.charAt(i + 1);
        i += 2;
        continue;
      }
      const end = ch === '%' ? this.referenceEnd(value, i, depth) : -1;
      if (end < 0) {
        text += ch;
        i++;
        continue;
      }
      const name = value.slice(i + 2, end);
      const found = name === '' ? null : this.raw(name);
      if (name === '') this.warn(`Empty reference in configuration value "${value}"`);
      else if (found === null) this.warn(`Failed to fetch referenced configuration variable ${name}`);
      else text += this.expand(found, depth + 1);
      i = end + 1;
    }
    return text;
  }

  /** Where the reference that begins at `at` closes; -1: it is none. */
  private referenceEnd(value: string, at: number, depth: number): number {
    if (depth > DEPTH_MAX) {
      this.warn('Too many recursive references in configuration value');
      return -1;
    }
    const end = value.charAt(at + 1) === '(' ? value.indexOf(')', at + 2) : -1;
    if (end < 0) this.warn(`Invalid reference in configuration value "${value}"`);
    return end;
  }

  private warn(text: string): void {
    this.warnings.push(`bhyve: ${text}\n`);
  }
}

function booleanOf(name: string, value: string): boolean {
  if (/^(true|on|yes|1)$/i.test(value)) return true;
  if (/^(false|off|no|0)$/i.test(value)) return false;
  return errx(EXIT_ERROR, `Invalid value ${value} for boolean variable ${name}`);
}
