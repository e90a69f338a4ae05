/**
 * parser.ts — a packet script, from text to the model of script.ts.
 * Read first: docs/packetdrill.md, "The language".
 *
 *     script := option* command? event* command?
 *     event  := time (packet | call | command | code)
 *     time   := N | +N | * | N~N | +N~+N                    in seconds
 *     call   := (`...` N)? name(args) = result (ERRNO (words))?
 *
 * What is not of this language, or outside the part of it that is supported, is a ScriptError with the line.
 */
import { parseExpr, parseExprList } from './expression-syntax.js';
import { parsePacket } from './packet-syntax.js';
import type { CallSpec, EventTime, Script, ScriptAction, ScriptEvent, ScriptOption } from './script.js';
import { TokenReader } from './token-reader.js';

export function parseScript(source: string): Script {
  const r = new TokenReader(source);
  const options: ScriptOption[] = [];
  while (r.token.kind === 'option') {
    const { line, text, arg } = r.take();
    options.push({ line, name: text, value: arg });
  }
  const init = parseCommand(r);
  const events: ScriptEvent[] = [];
  while (r.token.kind !== 'end' && r.token.kind !== 'command') events.push(parseEvent(r));
  const cleanup = parseCommand(r);
  if (r.token.kind !== 'end') r.fail(`expected the time of an event, not "${r.token.text}"`);
  if (events.length === 0) r.fail('a script without events');
  return { options, init, events, cleanup };
}

function parseCommand(r: TokenReader): Script['init'] {
  if (r.token.kind !== 'command') return null;
  const { line, text } = r.take();
  return { line, text };
}

function parseEvent(r: TokenReader): ScriptEvent {
  const { line } = r.token;
  const time = parseTime(r);
  const action = parseAction(r, time);
  const outbound = action.kind === 'packet' && !action.packet.inbound;
  if (time.any && !outbound) r.fail('the time * can only be used with outbound packets', line);
  if (time.endUs !== null && !outbound) r.fail('a range of times can only be used with outbound packets', line);
  return { line, time, action };
}

function parseTime(r: TokenReader): EventTime {
  if (r.accept('*')) return { any: true, relative: true, us: 0, endUs: null };
  const relative = r.accept('+');
  const us = parseSeconds(r);
  if (!r.accept('~')) return { any: false, relative, us, endUs: null };
  if (r.accept('+') !== relative) r.fail('both ends of a range of times are relative, or none');
  const endUs = parseSeconds(r);
  if (endUs < us) r.fail('time range is backwards');
  return { any: false, relative, us, endUs };
}

function parseSeconds(r: TokenReader): number {
  const { kind, value, text } = r.token;
  if (kind !== 'int' && kind !== 'float') return r.fail(`expected a time in seconds, not "${text}"`);
  if (value < 0) return r.fail('negative time');
  r.take();
  return Math.round(value * 1e6);
}

function parseAction(r: TokenReader, time: EventTime): ScriptAction {
  const { kind, text } = r.token;
  if (kind === 'command') {
    r.take();
    return { kind: 'command', text };
  }
  if (kind === 'code') {
    r.take();
    return { kind: 'code', text };
  }
  if (r.is('<') || r.is('>')) return { kind: 'packet', packet: parsePacket(r) };
  return { kind: 'call', call: parseCall(r, time) };
}

function parseCall(r: TokenReader, time: EventTime): CallSpec {
  const { line } = r.token;
  let endUs: number | null = null;
  if (r.token.kind === 'ellipsis') {
    r.take();
    endUs = parseSeconds(r);
    if (!time.relative && endUs < time.us) r.fail('the call ends before it begins', line);
  }
  const name = r.word('a packet, a call, a command or code');
  if (!r.accept('(')) r.fail(`expected "(" behind ${name}`);
  const args = parseExprList(r, ')');
  r.expect('=');
  const result = parseExpr(r);
  let error = '';
  if (r.token.kind === 'word') error = r.take().text;
  if (r.accept('(')) skipNote(r);
  return { name, args, result, error, endUs };
}

/** `(Operation now in progress)`: words for the reader. */
function skipNote(r: TokenReader): void {
  while (!r.accept(')')) {
    if (r.token.kind === 'end') r.fail('a ( that is not closed');
    r.take();
  }
}
