/**
 * line-editor.ts — LineEditor: a line typed at a terminal in raw mode: editing, history, completion.
 * Read first: editrc(5) "emacs mode" for the keys.
 *
 * Theory of operation. `feed` takes what came from the terminal and answers what to write to it and which lines were finished; it waits for nothing, so the
 * same editor serves any terminal. What is typed is kept as characters with a cursor; after a change the line is written anew from where it begins.
 *
 * Keys: arrows, Home, End, Delete, and ^A ^E ^B ^F ^D ^H ^K ^U ^W ^L ^P ^N; Tab completes, and shows what there is when nothing more is certain.
 * Not here: searching the history, undo, characters wider than one column, lines longer than the terminal.
 */

/** Lines remembered. */
const HISTORY_MAX = 100;

export interface LineFed {
  /** For the terminal. */
  readonly output: string;
  /** Finished lines, without their ends. */
  readonly lines: readonly string[];
  /** ^D on an empty line. */
  readonly eof: boolean;
}

/** The words that may stand where the cursor is; `before` is the line up to there. */
export type LineCompleter = (before: string) => readonly string[];

const CTRL: Readonly<Record<string, string>> = {
  '\x01': 'home', '\x02': 'left', '\x04': 'eof', '\x05': 'end', '\x06': 'right', '\x08': 'erase', '\x09': 'complete', '\x0a': 'enter', '\x0b': 'kill', '\x0c': 'redraw',
  '\x0d': 'enter', '\x0e': 'next', '\x10': 'previous', '\x15': 'clear', '\x17': 'word', '\x7f': 'erase',
};
const ESCAPES: Readonly<Record<string, string>> = {
  A: 'previous', B: 'next', C: 'right', D: 'left', H: 'home', F: 'end', '1~': 'home', '4~': 'end', '7~': 'home', '8~': 'end', '3~': 'delete',
};

export class LineEditor {
  private readonly prompt: string;
  private readonly complete: LineCompleter;
  private readonly history: string[] = [];
  /** Where in the history the line is: its length for the line being typed. */
  private at = 0;
  private chars: string[] = [];
  private cursor = 0;
  /** What an escape sequence has so far; '' outside of one. */
  private escape = '';
  private output = '';
  private lines: string[] = [];
  private eof = false;

  constructor(prompt: string, complete: LineCompleter) {
    this.prompt = prompt;
    this.complete = complete;
  }

  get line(): string {
    return this.chars.join('');
  }

  /** The prompt and what has been typed so far: after something else was written to the terminal. */
  redraw(): string {
    const behind = this.chars.length - this.cursor;
    return `\r\x1b[K${this.prompt}${this.line}${behind > 0 ? `\x1b[${behind}D` : ''}`;
  }

  feed(text: string): LineFed {
    this.output = '';
    this.lines = [];
    this.eof = false;
    for (const c of text) this.key(c);
    return { output: this.output, lines: this.lines, eof: this.eof };
  }

  private key(c: string): void {
    if (this.escape !== '') this.inEscape(c);
    else if (c === '\x1b') this.escape = c;
    else if (c in CTRL) this.does(CTRL[c]!);
    else if (c >= ' ') this.insert(c);
  }

  private inEscape(c: string): void {
    this.escape += c;
    if (this.escape.length === 2 && (c === '[' || c === 'O')) return;
    if (/[0-9;]/.test(c) && this.escape.length < 8) return;
    const action = ESCAPES[this.escape.slice(2)];
    this.escape = '';
    if (action !== undefined) this.does(action);
  }

  private does(action: string): void {
    switch (action) {
      case 'enter': return this.enter();
      case 'complete': return this.completeWord();
      case 'eof': return this.chars.length === 0 ? this.end() : this.remove(this.cursor, 1);
      case 'delete': return this.remove(this.cursor, 1);
      case 'erase': return this.cursor > 0 ? this.remove(this.cursor - 1, 1) : undefined;
      case 'left': return this.move(this.cursor - 1);
      case 'right': return this.move(this.cursor + 1);
      case 'home': return this.move(0);
      case 'end': return this.move(this.chars.length);
      case 'kill': return this.remove(this.cursor, this.chars.length);
      case 'clear': return this.remove(0, this.chars.length);
      case 'word': return this.eraseWord();
      case 'previous': return this.recall(this.at - 1);
      case 'next': return this.recall(this.at + 1);
      default: this.output += `\x1b[2J\x1b[H${this.redraw()}`;
    }
  }

  private insert(c: string): void {
    this.chars.splice(this.cursor++, 0, c);
    this.output += this.cursor === this.chars.length ? c : this.redraw();
  }

  private remove(from: number, count: number): void {
    if (this.chars.splice(from, count).length === 0) return;
    this.cursor = Math.min(from, this.chars.length);
    this.output += this.redraw();
  }

  private move(to: number): void {
    if (to < 0 || to > this.chars.length) return;
    this.cursor = to;
    this.output += this.redraw();
  }

  private eraseWord(): void {
    let from = this.cursor;
    while (from > 0 && this.chars[from - 1] === ' ') from--;
    while (from > 0 && this.chars[from - 1] !== ' ') from--;
    this.remove(from, this.cursor - from);
  }

  private enter(): void {
    const { line } = this;
    if (line.trim() !== '') {
      const before = this.history.indexOf(line);
      if (before >= 0) this.history.splice(before, 1);
      this.history.push(line);
      if (this.history.length > HISTORY_MAX) this.history.shift();
    }
    this.lines.push(line);
    this.set('');
    this.at = this.history.length;
    this.output += '\n';
  }

  private end(): void {
    this.eof = true;
    this.output += '\n';
  }

  private recall(at: number): void {
    if (at < 0 || at > this.history.length) return;
    this.at = at;
    this.set(this.history[at] ?? '');
    this.output += this.redraw();
  }

  private set(line: string): void {
    this.chars = [...line];
    this.cursor = this.chars.length;
  }

  /** Adds what is certain of the word at the cursor; shows the candidates when nothing is. */
  private completeWord(): void {
    const before = this.chars.slice(0, this.cursor).join('');
    const word = /\S*$/.exec(before)![0];
    const found = [...new Set(this.complete(before).filter((w) => w.startsWith(word)))].sort();
    if (found.length === 0) return;
    let common = found[0]!;
    for (const w of found) while (!w.startsWith(common)) common = common.slice(0, -1);
    const added = common.slice(word.length) + (found.length === 1 && !common.endsWith(':') ? ' ' : '');
    if (added === '') this.output += `\n${found.join('  ')}\n`;
    this.chars.splice(this.cursor, 0, ...added);
    this.cursor += [...added].length;
    this.output += this.redraw();
  }
}
