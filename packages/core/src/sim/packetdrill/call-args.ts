/**
 * call-args.ts — the arguments of a call in a script, as the values a call wants.
 *
 * What an argument is not, is a ScriptError: `connect(3, 5, ...)` is a mistake in the script and not a failure of the stack.
 */
import { ScriptError } from './script.js';
import type { CallSpec, Expr } from './script.js';
import { symbolValue } from './symbols.js';

/** An address in an argument: `...` is null, the script's default. */
export interface AddressArg {
  readonly text: string;
  readonly port: number;
}

export class CallArgs {
  readonly line: number;
  readonly call: CallSpec;

  constructor(call: CallSpec, line: number) {
    this.call = call;
    this.line = line;
  }

  fail(message: string): never {
    throw new ScriptError(this.line, `${this.call.name}(): ${message}`);
  }

  /** There are `n` arguments. */
  count(n: number): void {
    if (this.call.args.length !== n) this.fail(`${n} arguments wanted, ${this.call.args.length} given`);
  }

  at(i: number): Expr {
    return this.call.args[i] ?? this.fail(`argument ${i + 1} is missing`);
  }

  int(i: number): number {
    return this.number(this.at(i));
  }

  /** The number an expression is. */
  number(e: Expr): number {
    switch (e.kind) {
      case 'int':
        return e.value;
      case 'word':
        return symbolValue(e.name) ?? this.fail(`nothing is called ${e.name}`);
      case 'or':
        return this.number(e.left) | this.number(e.right);
      case 'call':
        if ((e.name === 'htons' || e.name === 'htonl') && e.args.length === 1) return this.number(e.args[0]!);
        return this.fail(`${e.name}() is not supported here`);
      default:
        return this.fail('expected a number');
    }
  }

  isEllipsis(i: number): boolean {
    return this.at(i).kind === 'ellipsis';
  }

  /** The name of an option or a request: TCP_NODELAY. */
  word(i: number): string {
    const e = this.at(i);
    return e.kind === 'word' ? e.name : this.fail(`argument ${i + 1} has no name; write it as a name`);
  }

  /** `[1]`, to 1; a plain number stands for itself. null: `...`, or an empty list. */
  element(e: Expr): number | null {
    if (e.kind === 'ellipsis') return null;
    if (e.kind !== 'list') return this.number(e);
    return e.items.length === 0 ? null : this.element(e.items[0]!);
  }

  field(e: Expr, name: string): Expr | null {
    return e.kind === 'record' ? (e.fields.get(name) ?? null) : null;
  }

  /** `{sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr("192.0.2.1")}` */
  address(i: number): AddressArg | null {
    const e = this.at(i);
    if (e.kind === 'ellipsis') return null;
    const port = this.field(e, 'sin_port') ?? this.field(e, 'sin6_port');
    const addr = this.field(e, 'sin_addr') ?? this.field(e, 'sin6_addr');
    if (port === null || addr?.kind !== 'call' || addr.args[0]?.kind !== 'string') return this.fail('expected ... or {sa_family=..., sin_port=htons(...), sin_addr=inet_addr("...")}');
    return { text: addr.args[0].text, port: this.number(port) };
  }

  /** How many bytes the structures of an iovec have: `[{..., 100}, {..., 200}]`. */
  iovecBytes(e: Expr | null): number {
    if (e?.kind !== 'list') return this.fail('expected an array of {..., length}');
    return e.items.reduce((sum, item) => sum + (item.kind === 'list' && item.items.length === 2 ? this.number(item.items[1]!) : this.fail('expected {..., length}')), 0);
  }
}
