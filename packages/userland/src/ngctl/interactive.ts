/**
 * interactive.ts — ngctl at a terminal: a prompt, and what comes unasked between two commands.
 * Read first: line-editor.ts; ngctl(8) "interactive mode".
 *
 * Messages and packets are shown as they arrive; the line being typed is written anew behind them. Where the terminal cannot be put into raw mode, it
 * edits the lines itself, and there is neither history nor completion.
 */
import { LineEditor } from '../line-editor.js';
import type { LineFed } from '../line-editor.js';
import { StdinReader } from '../stdin-reader.js';
import { utf8Text } from '../utf8.js';
import { CMDRTN_QUIT, commandName } from './command.js';
import type { NgctlCommand } from './command.js';
import type { NgSession } from './ng-session.js';
import { readMessage, readPacket } from './node-commands.js';

const PROMPT = '+ ';

/** Runs lines until one quits, or the input ends. */
export async function interact(s: NgSession, commands: readonly NgctlCommand[], run: (words: readonly string[]) => Promise<number>): Promise<number> {
  const { p, socket } = s;
  const raw = p.rawInput(true);
  const editor = new LineEditor(PROMPT, (before) => candidates(s, commands, before));
  const input = new StdinReader(p);
  socket.onMsg = () => p.wake();
  socket.onData = () => p.wake();
  input.start();
  let cooked = '';
  p.out(PROMPT);
  for (;;) {
    if (!socket.isOpen) break;
    if (showArrived(s)) p.out(raw ? editor.redraw() : PROMPT);
    const block = input.take();
    if (block !== null) {
      const fed: LineFed & { readonly rest?: string } = raw ? editor.feed(utf8Text(block)) : cookedLines(cooked + utf8Text(block));
      cooked = fed.rest ?? '';
      p.out(fed.output);
      for (const line of fed.lines) {
        if ((await run(line.split(/\s+/).filter((word) => word !== ''))) === CMDRTN_QUIT) return CMDRTN_QUIT;
        p.out(PROMPT);
      }
      if (fed.eof) break;
      continue;
    }
    if (input.ended) {
      p.out('\n');
      break;
    }
    await p.flush();
    await p.sleepUs(Infinity);
  }
  return CMDRTN_QUIT;
}

/** What a terminal that edits lines itself has finished, and what it has not. */
function cookedLines(text: string): LineFed & { readonly rest: string } {
  const lines = text.split('\n');
  const rest = lines.pop() ?? '';
  return { output: '', lines, eof: false, rest };
}

/** Shows what has come; false: nothing has. */
function showArrived(s: NgSession): boolean {
  let shown = false;
  while (s.hasArrived) {
    if (!shown) s.p.out('\r\x1b[K\n');
    shown = true;
    if (!readMessage(s)) readPacket(s);
  }
  return shown;
}

/** What may be typed next: a command, then the names of nodes, types and hooks. */
function candidates(s: NgSession, commands: readonly NgctlCommand[], before: string): string[] {
  if (!/\s/.test(before.trimStart())) return commands.map(commandName);
  const listed = s.nodes(false);
  const types = s.types();
  const words = ['.:'];
  if ('value' in listed) for (const { name, id } of listed.value.nodeinfo) words.push(name === '' ? `[${id.toString(16)}]:` : `${name}:`);
  if ('value' in types) for (const { typename } of types.value.typeinfo) words.push(typename);
  const node = /(\S+:)\S*$/.exec(before);
  const hooks = node === null ? null : s.hooks(node[1]!);
  if (hooks !== null && 'value' in hooks) for (const { ourhook } of hooks.value.linkinfo) words.push(`${node![1]}${ourhook}`);
  return words;
}
