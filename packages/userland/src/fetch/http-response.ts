/**
 * http-response.ts — an HTTP/1.1 answer as its bytes come in.
 * Read first: RFC 9112 §4 (status line), §5 (fields), §6 (body), §7.1 (chunks).
 *
 * Theory of operation. `head` takes bytes until the empty line behind the fields; from there on `body` takes them and hands on what belongs to the document, without copying: as many as
 * Content-Length says, chunk by chunk, or until the connection ends. What is malformed makes the answer `broken`, and nothing more is taken.
 *
 * Invariants: a line has at most LINE_MAX bytes, a head at most FIELDS_MAX lines. `Transfer-Encoding` counts before `Content-Length`. Interim answers (1xx) are passed over.
 * Deliberately not here: trailers (skipped), other codings than chunked (fetch asks for none), several answers on one connection.
 */

const LINE_MAX = 16_384;
const FIELDS_MAX = 256;
const CR = 13;
const LF = 10;

type Phase = 'status' | 'fields' | 'body' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'done';

export class HttpResponse {
  status = 0;
  /** Bytes of the body; -1: not said. */
  contentLength = -1;
  chunked = false;
  location: string | null = null;
  lastModified: string | null = null;
  /** Of Content-Range: where the body begins, how long it is, and the whole. -1: not said. */
  rangeOffset = 0;
  rangeLength = -1;
  rangeSize = -1;
  readonly challenges: string[] = [];
  /** It is no HTTP. */
  broken = false;
  private readonly toHead: boolean;
  private phase: Phase = 'status';
  private line = '';
  private fields = 0;
  private left = 0;

  /** @param toHead it answers a HEAD: there is no body. */
  constructor(toHead: boolean) {
    this.toHead = toHead;
  }

  get headDone(): boolean {
    return this.phase !== 'status' && this.phase !== 'fields';
  }

  /** Everything of it has come, as far as its own length tells. */
  get done(): boolean {
    return this.phase === 'done';
  }

  /** Takes bytes of the head from `at` on; the answer is where the body begins, or the length when there is more to come. */
  head(bytes: Uint8Array, at: number): number {
    let i = at;
    while (i < bytes.length && !this.headDone && !this.broken) {
      const next = this.readLine(bytes, i);
      if (next < 0) return bytes.length;
      i = next;
      const line = this.takeLine();
      if (this.phase === 'status') this.statusLine(line);
      else this.field(line);
    }
    return i;
  }

  /** Takes bytes of the body from `at` on and hands what belongs to the document to `sink`. */
  body(bytes: Uint8Array, at: number, sink: (part: Uint8Array) => void): void {
    let i = at;
    while (i < bytes.length && this.phase !== 'done' && !this.broken) {
      if (this.phase === 'body' || this.phase === 'chunk') {
        const n = Math.min(this.left, bytes.length - i);
        if (n > 0) sink(bytes.subarray(i, i + n));
        i += n;
        this.left -= n;
        if (this.left === 0) this.phase = this.phase === 'body' ? 'done' : 'chunk-end';
        continue;
      }
      const next = this.readLine(bytes, i);
      if (next < 0) return;
      i = next;
      this.frame(this.takeLine());
    }
  }

  /** A line around the chunks. */
  private frame(line: string): void {
    if (this.phase === 'chunk-end') {
      this.broken = line !== '';
      this.phase = 'chunk-size';
    } else if (this.phase === 'chunk-size') {
      const match = /^([0-9a-f]{1,13})[ \t]*(;.*)?$/i.exec(line);
      if (match === null) {
        this.broken = true;
        return;
      }
      this.left = Number.parseInt(match[1] ?? '', 16);
      this.phase = this.left === 0 ? 'trailer' : 'chunk';
    } else if (line === '') {
      this.phase = 'done';
    } else if (++this.fields > FIELDS_MAX) {
      this.broken = true;
    }
  }

  private statusLine(line: string): void {
    const match = /^HTTP(?:\/1\.[01])? ([1-9][0-9]{2})(?: .*)?$/.exec(line);
    this.broken = match === null;
    this.status = Number(match?.[1] ?? 0);
    this.phase = 'fields';
  }

  private field(line: string): void {
    if (line === '') return this.beginBody();
    if (++this.fields > FIELDS_MAX) {
      this.broken = true;
      return;
    }
    const match = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (match !== null) this.known((match[1] ?? '').toLowerCase(), match[2] ?? '');
  }

  private known(name: string, value: string): void {
    if (name === 'content-length' && /^[0-9]{1,15}$/.test(value)) this.contentLength = Number(value);
    else if (name === 'content-length') this.broken = true;
    else if (name === 'transfer-encoding') this.chunked = value.toLowerCase() === 'chunked';
    else if (name === 'location') this.location = value;
    else if (name === 'last-modified') this.lastModified = value;
    else if (name === 'www-authenticate') this.challenges.push(value);
    else if (name === 'content-range') this.range(value);
  }

  private range(value: string): void {
    const match = /^bytes (?:([0-9]{1,15})-([0-9]{1,15})|\*)\/([0-9]{1,15})$/i.exec(value);
    if (match === null) return;
    this.rangeSize = Number(match[3]);
    if (match[1] === undefined) {
      this.rangeLength = 0;
      return;
    }
    this.rangeOffset = Number(match[1]);
    this.rangeLength = Number(match[2]) - this.rangeOffset + 1;
  }

  private beginBody(): void {
    if (this.status < 200 && this.status !== 101) {
      this.phase = 'status';
      return;
    }
    this.fields = 0;
    if (this.toHead || this.status === 204 || this.status === 304) this.phase = 'done';
    else if (this.chunked) this.phase = 'chunk-size';
    else {
      this.left = this.contentLength >= 0 ? this.contentLength : Infinity;
      this.phase = this.left === 0 ? 'done' : 'body';
    }
  }

  /** Reads on to the end of a line: where the next one begins, -1 when its end has not come. */
  private readLine(bytes: Uint8Array, at: number): number {
    const end = bytes.indexOf(LF, at);
    const stop = end < 0 ? bytes.length : end;
    if (this.line.length + stop - at > LINE_MAX) {
      this.broken = true;
      return bytes.length;
    }
    for (let i = at; i < stop; i++) this.line += String.fromCharCode(bytes[i] ?? 0);
    return end < 0 ? -1 : end + 1;
  }

  private takeLine(): string {
    const line = this.line.charCodeAt(this.line.length - 1) === CR ? this.line.slice(0, -1) : this.line;
    this.line = '';
    return line;
  }
}
