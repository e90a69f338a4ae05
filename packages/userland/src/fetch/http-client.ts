/**
 * http-client.ts — one document over HTTP: connecting, asking, following redirects, showing who we are.
 * Read first: fetch(3); lib/libfetch/http.c of FreeBSD for the order of things; RFC 9112.
 *
 * Theory of operation. Every request has a connection of its own (`Connection: close`). The answer's head decides: the document, which the caller then reads; another place, where we ask again; a
 * question for a password, which is answered once, with what the URL or HTTP_AUTH says. At most REDIRECTS_MAX places are asked.
 *
 * Deliberately not here: TLS, proxies (the environment's proxies are those of the machine, which a vnet does not reach), Digest, cookies, caches.
 */
import { EAGAIN, ETIMEDOUT, strerror } from '@netloom/core';
import type { Errno, StreamSocket } from '@netloom/core';
import { asciiBytes } from '../ascii.js';
import { OSRELEASE, OSTYPE } from '../kernel-identity.js';
import { printable } from '../printable.js';
import { lookUp } from '../known-names.js';
import type { KnownNames } from '../known-names.js';
import type { Proc } from '../proc.js';
import { addressesOf, connectStream, domainOf, readStream, streamSocket, writeStream } from '../tcp-connect.js';
import type { ToolWait } from '../tool-wait.js';
import type { FetchOptions } from './fetch-options.js';
import { hostText, redirected } from './fetch-url.js';
import type { FetchUrl } from './fetch-url.js';
import { base64 } from './base64.js';
import { httpDate } from './http-date.js';
import { HttpResponse } from './http-response.js';
import { HTTP_BAD_RANGE, HTTP_NEED_AUTH, HTTP_OK, HTTP_PARTIAL, HTTP_PROTOCOL_ERROR, httpStatus, isLasting, isRedirect } from './http-status.js';
import type { FetchKind } from './http-status.js';

const REDIRECTS_MAX = 20;
const HTTP_PORT = 80;
const READ_BYTES = 65_536;

/** Why a document was not to be had: fetch(3)'s kind and words. */
export class FetchError extends Error {
  override readonly name = 'FetchError';
  readonly kind: FetchKind;

  constructor(kind: FetchKind, text: string) {
    super(text);
    this.kind = kind;
  }
}

export function statusError(status: number): FetchError {
  const [kind, text] = httpStatus(status);
  return new FetchError(kind, text);
}

const KINDS: ReadonlyMap<string, FetchKind> = new Map<string, FetchKind>([
  ['Connection refused', 'DOWN'], ['Host is down', 'DOWN'], ['Connection reset by peer', 'ABORT'], ['Software caused connection abort', 'ABORT'], ['Operation timed out', 'TIMEOUT'],
  ['No route to host', 'NETWORK'], ['Network is unreachable', 'NETWORK'], ['Network is down', 'NETWORK'], ["Can't assign requested address", 'NETWORK'],
  ['Address already in use', 'NETWORK'],
]);

export function errnoError(error: Errno): FetchError {
  const text = strerror(error);
  return new FetchError(KINDS.get(text) ?? 'UNKNOWN', text);
}

/** The time is up (-T). */
export class FetchTimeout extends Error {
  override readonly name = 'FetchTimeout';
}

/** A document whose head has been read. */
export interface HttpDocument {
  readonly so: StreamSocket;
  readonly response: HttpResponse;
  /** Bytes of the body that came with the head. */
  readonly first: Uint8Array;
  /** Of the whole, -1 when it is not known. */
  readonly size: number;
  /** Where the body begins in it. */
  readonly offset: number;
  /** Seconds since 1970, 0 when it is not known. */
  readonly mtime: number;
}

export class HttpClient {
  private readonly p: Proc;
  private readonly o: FetchOptions;
  private readonly wait: ToolWait;

  constructor(wait: ToolWait, o: FetchOptions) {
    this.p = wait.p;
    this.wait = wait;
    this.o = o;
  }

  /** The document at `url` from `offset` on. @throws FetchError, FetchTimeout */
  async get(url: FetchUrl, method: 'GET' | 'HEAD', offset: number): Promise<HttpDocument> {
    const deadlineUs = this.p.now() + this.o.timeoutSec * 1_000_000;
    let at = url;
    let authorization: string | null = null;
    let status = HTTP_PROTOCOL_ERROR;
    for (let asked = 0; asked < REDIRECTS_MAX; asked++) {
      checkScheme(at);
      const so = await this.connect(at, deadlineUs);
      const doc = await this.ask(so, at, method, offset, authorization, deadlineUs);
      const { response } = doc;
      status = response.status;
      if (status === HTTP_OK || status === HTTP_PARTIAL) return this.checked(doc, offset);
      so.close();
      if (status === HTTP_BAD_RANGE && offset > 0 && response.rangeSize === offset) return { ...doc, size: offset, offset };
      if (status === HTTP_NEED_AUTH && authorization === null) {
        this.tell('server requires authorization');
        authorization = this.authorize(at, response);
        continue;
      }
      if (!isRedirect(status) || (this.o.noRedirect && !isLasting(status))) break;
      const next: FetchUrl | null = response.location === null ? null : redirected(at, response.location);
      if (next === null) break;
      this.tell(`${status} redirect to ${printable(response.location ?? '')}`);
      if (next.host !== at.host) authorization = null;
      at = next;
    }
    throw statusError(status);
  }

  private tell(text: string): void {
    if (this.o.verbosity > 1) this.p.err(`${text}\n`);
  }

  /** `Basic ...`. @throws FetchError when nothing is known to say */
  private authorize(url: FetchUrl, response: HttpResponse): string {
    if (!response.challenges.some((c) => /^basic\b/i.test(c))) {
      throw new FetchError('AUTH', `Unauthorized (the server asks for ${printable((response.challenges[0] ?? 'no scheme').replace(/[ ,].*$/s, ''))}, what is built in is Basic)`);
    }
    let [user, password] = [url.user, url.password];
    if (user === '' && password === '') {
      const [scheme, , ...rest] = (this.p.env['HTTP_AUTH'] ?? '').split(':');
      if (scheme?.toLowerCase() !== 'basic' || rest.length < 2) throw statusError(HTTP_NEED_AUTH);
      [user, password] = [rest[0] ?? '', rest.slice(1).join(':')];
    }
    return `Basic ${base64(asciiBytes(`${user}:${password}`))}`;
  }

  private async connect(url: FetchUrl, deadlineUs: number): Promise<StreamSocket> {
    const { p, o, wait } = this;
    const port = url.port || HTTP_PORT;
    this.tell(`resolving server address: ${url.host}:${port}`);
    const known = await lookUp(p, [url.host, o.bind], o.family);
    const addresses = addressesOf(p.vnet, url.host, o.family, known);
    if (addresses.length === 0) throw new FetchError('RESOLV', 'Host does not resolve');
    let error: Errno = 0;
    for (const address of addresses) {
      const so = streamSocket(wait, domainOf(address));
      if (typeof so === 'number') throw errnoError(so);
      error = o.bind === null ? 0 : this.bind(so, typeof address === 'number' ? 4 : 6, known);
      if (error === 0) error = await connectStream(wait, so, address, port, deadlineUs);
      if (error === 0) return so;
      so.close();
      if (error === ETIMEDOUT && p.now() >= deadlineUs) throw new FetchTimeout();
    }
    this.tell(`failed to connect to ${url.host}:${port}`);
    throw errnoError(error);
  }

  private bind(so: StreamSocket, family: 4 | 6, known: KnownNames): Errno {
    this.tell(`resolving client address: ${this.o.bind ?? ''}`);
    const [address] = addressesOf(this.p.vnet, this.o.bind ?? '', family, known);
    if (address === undefined) throw new FetchError('RESOLV', 'Host does not resolve');
    return so.bind(address, 0);
  }

  /** Sends the request and reads the head of the answer. */
  private async ask(so: StreamSocket, url: FetchUrl, method: string, offset: number, authorization: string | null, deadlineUs: number): Promise<HttpDocument> {
    const { wait } = this;
    const host = url.port === 0 || url.port === HTTP_PORT ? hostText(url) : `${hostText(url)}:${url.port}`;
    this.tell(`requesting ${url.scheme}://${host}${url.doc}`);
    const error = await writeStream(wait, so, asciiBytes(this.request(url, host, method, offset, authorization)), deadlineUs);
    if (error !== 0) this.gaveUp(so, error, deadlineUs);
    const response = new HttpResponse(method === 'HEAD');
    const into = new Uint8Array(READ_BYTES);
    for (;;) {
      const n = await readStream(wait, so, into, deadlineUs);
      if (n < 0) this.gaveUp(so, -n, deadlineUs);
      const at = response.head(into.subarray(0, n), 0);
      if (n === 0 || response.broken) {
        so.close();
        throw statusError(HTTP_PROTOCOL_ERROR);
      }
      if (response.headDone) return { so, response, first: into.slice(at, n), size: -1, offset: 0, mtime: httpDate(response.lastModified ?? '') };
    }
  }

  private gaveUp(so: StreamSocket, error: Errno, deadlineUs: number): never {
    so.close();
    if (error === ETIMEDOUT && this.p.now() >= deadlineUs) throw new FetchTimeout();
    throw errnoError(error);
  }

  private request(url: FetchUrl, host: string, method: string, offset: number, authorization: string | null): string {
    const { p, o } = this;
    const accept = p.env['HTTP_ACCEPT'] ?? '*/*';
    const agent = o.userAgent ?? `fetch ${OSTYPE}/${OSRELEASE}`;
    const referer = o.referer?.toLowerCase() === 'auto' ? `${url.scheme}://${host}${url.doc}` : o.referer;
    const fields: readonly (readonly [string, string | null])[] = [
      ['Host', host], ['Authorization', authorization], ['Accept', accept], ['Referer', referer], ['User-Agent', agent], ['Range', offset > 0 ? `bytes=${offset}-` : null],
      ['Connection', 'close'],
    ];
    const lines = fields.filter(([, value]) => value !== null && value !== '').map(([name, value]) => `${name}: ${value ?? ''}\r\n`);
    return `${method} ${url.doc} HTTP/1.1\r\n${lines.join('')}\r\n`;
  }

  /** The sizes a head tells, which must agree. */
  private checked(doc: HttpDocument, wantedOffset: number): HttpDocument {
    const r = doc.response;
    const offset = r.status === HTTP_PARTIAL ? r.rangeOffset : 0;
    const clength = r.chunked ? -1 : r.contentLength;
    const length = clength >= 0 ? clength : r.rangeLength;
    const end = length >= 0 ? offset + length : -1;
    const wrong = (clength >= 0 && r.rangeLength >= 0 && clength !== r.rangeLength) || (end >= 0 && r.rangeSize >= 0 && end !== r.rangeSize) || offset > wantedOffset;
    if (wrong) {
      doc.so.close();
      throw statusError(HTTP_PROTOCOL_ERROR);
    }
    return { ...doc, offset, size: r.rangeSize >= 0 ? r.rangeSize : end };
  }
}

/** @throws FetchError for what is not http */
function checkScheme(url: FetchUrl): void {
  if (url.scheme === 'http' && url.host !== '') return;
  if (url.scheme === 'https') throw new FetchError('URL', 'TLS is not built in: use http://, or https of @netloom/node/net on this vnet (docs/sockets.md)');
  if (url.scheme === 'ftp') throw new FetchError('URL', 'ftp is not built in: serve the file over http://');
  if (url.scheme === 'file' || url.host === '') throw new FetchError('URL', 'files of this machine are not fetched: copy them with cp(1)');
  throw new FetchError('URL', 'Invalid URL scheme');
}

/** Reads the body to its end, or until `interrupted`. Every block is handed to `sink`, then `flush` is awaited. */
export async function readBody(wait: ToolWait, doc: HttpDocument, idleUs: number, sink: (part: Uint8Array) => void, flush: () => Promise<void>): Promise<'end' | 'timeout' | Errno> {
  const { so, response } = doc;
  const one = new Uint8Array(1);
  response.body(doc.first, 0, sink);
  await flush();
  while (!response.done && !response.broken) {
    let error = 0;
    let ended = false;
    const came = await wait.until(() => {
      let any = false;
      for (let m = so.recvPacket(); m !== null; m = so.recvPacket()) {
        response.body(m.bytes(), 0, sink);
        m.free();
        any = true;
      }
      if (any) return true;
      const n = so.recv(one);
      if (n === -EAGAIN) return false;
      if (n === 0) ended = true;
      else error = -n;
      return true;
    }, wait.p.now() + idleUs);
    if (!came) return 'timeout';
    if (error !== 0) return error;
    if (ended) return 'end';
    await flush();
  }
  return 'end';
}
