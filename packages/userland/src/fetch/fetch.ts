/**
 * fetch.ts — `fetch`: files by their URLs, over HTTP.
 * Read first: fetch(1); usr.bin/fetch/fetch.c of FreeBSD; http-client.ts.
 *
 * Every URL is fetched in turn, into the file its name ends in, or where `-o` says. The exit code is 0 when all came, or with `-1` one.
 *
 * Deliberately not here: modification times (a tool does not see those of the host's files), removing what came of a transfer that failed (it stays, as with -R).
 */
import { ToolExit, errx, toolMain, warnx } from '../err.js';
import type { HostFile, Proc, ProcHost } from '../proc.js';
import { HostError, signalNumber } from '../proc.js';
import { ToolInterrupted, ToolWait } from '../tool-wait.js';
import { parseFetch } from './fetch-options.js';
import type { FetchOptions } from './fetch-options.js';
import { fileOf, parseUrl } from './fetch-url.js';
import type { FetchUrl } from './fetch-url.js';
import { FetchError, FetchTimeout, HttpClient, errnoError, readBody } from './http-client.js';
import type { HttpDocument } from './http-client.js';
import type { FetchKind } from './http-status.js';
import { TransferStat } from './transfer-stat.js';

/** What `-a` does not try again. */
const FINAL: ReadonlySet<FetchKind> = new Set<FetchKind>(['AUTH', 'UNAVAIL', 'MOVED', 'URL', 'RESOLV', 'UNKNOWN', 'PROTO', 'SERVER', 'TEMP', 'TIMEOUT']);
const STDOUT = '-';

/** How a URL ended: 'ok'; 'failed'; 'again': it may be tried again. */
type Outcome = 'ok' | 'failed' | 'again';

/** Standard output as a file. */
function stdoutFile(p: Proc): HostFile {
  return { write: (data) => p.out(data), flush: () => p.flush(), close: () => p.flush() };
}

class Fetcher {
  private readonly p: Proc;
  private readonly o: FetchOptions;
  private readonly wait: ToolWait;
  private readonly client: HttpClient;
  private stat: TransferStat | null = null;

  constructor(p: Proc, o: FetchOptions, wait: ToolWait) {
    this.p = p;
    this.o = o;
    this.wait = wait;
    this.client = new HttpClient(wait, o);
    p.onSignal((signal) => {
      if (signal !== 'INFO') return false;
      this.stat?.end();
      return true;
    });
  }

  /** One URL into `path`. */
  async fetch(text: string, path: string): Promise<Outcome> {
    if (text === '') return this.failed('empty URL');
    const url = parseUrl(text);
    if (url === null) return this.failed(`${text}: parse error`);
    try {
      if (this.o.sizeOnly) return await this.size(url);
      for (let tries = 1; ; tries++) {
        const outcome = await this.transfer(url, text, path, tries);
        if (outcome !== 'again') return outcome;
        await this.pause();
      }
    } catch (error) {
      if (error instanceof FetchTimeout) return this.failed('transfer timed out');
      if (!(error instanceof FetchError)) throw error;
      this.failed(this.o.sizeOnly ? error.message : `${text}: ${error.message}`);
      return this.o.retry && !FINAL.has(error.kind) ? 'again' : 'failed';
    }
  }

  async pause(): Promise<void> {
    if (this.o.retryDelaySec > 0) await this.wait.sleepUntil(this.p.now() + this.o.retryDelaySec * 1_000_000);
  }

  private failed(text: string): Outcome {
    warnx(this.p, text);
    return 'failed';
  }

  private async size(url: FetchUrl): Promise<Outcome> {
    const doc = await this.client.get(url, 'HEAD', 0);
    doc.so.close();
    this.p.out(doc.size < 0 ? 'Unknown\n' : `${doc.size}\n`);
    return 'ok';
  }

  private async transfer(url: FetchUrl, text: string, path: string, tries: number): Promise<Outcome> {
    const { p, o } = this;
    const had = path === STDOUT || !(o.resume || tries > 1) ? -1 : await this.localSize(path);
    let doc = await this.client.get(url, 'GET', Math.max(0, had));
    if (o.wantedSize > 0 && doc.size < 0) warnx(p, `${text}: size unknown`);
    else if (o.wantedSize > 0 && doc.size !== o.wantedSize) return this.refused(doc, `${text}: size mismatch: expected ${o.wantedSize}, actual ${doc.size}`);
    if (doc.size < 0 && path !== STDOUT && o.verbosity > 0) warnx(p, `${text}: size of remote file is not known`);
    if (o.verbosity > 1 && doc.size >= 0) p.err(`remote size / mtime: ${doc.size} / ${doc.mtime}\n`);
    if (had >= 0 && doc.size >= 0) {
      if (doc.size === had) return this.refused(doc, null);
      if (had > doc.size) return this.refused(doc, `${path}: local file (${had} bytes) is longer than remote file (${doc.size} bytes)`);
    }
    if (doc.offset > 0 && doc.offset !== had) {
      doc.so.close();
      doc = await this.client.get(url, 'GET', 0);
    }
    const file = await this.open(path, doc.offset > 0);
    if (file === null) return this.refused(doc, null, 'failed');
    return this.receive(doc, text, path, file, had);
  }

  /** The document is not read. */
  private refused(doc: HttpDocument, text: string | null, outcome: Outcome = text === null ? 'ok' : 'failed'): Outcome {
    doc.so.close();
    if (text !== null) warnx(this.p, text);
    return outcome;
  }

  private async receive(doc: HttpDocument, text: string, path: string, file: HostFile, had: number): Promise<Outcome> {
    const { p, o, wait } = this;
    let count = doc.offset;
    const stat = new TransferStat(p, path, doc.size, count, o.verbosity);
    this.stat = stat;
    let ended: Awaited<ReturnType<typeof readBody>>;
    try {
      ended = await readBody(wait, doc, o.timeoutSec * 1_000_000, (part) => {
        count += part.length;
        file.write(part);
      }, async () => {
        stat.update(count);
        await file.flush();
      });
      await file.close();
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      return this.failed(`${path}: ${error.message}`);
    } finally {
      doc.so.close();
      this.stat = null;
      stat.end();
    }
    if (ended === 'timeout') warnx(p, 'transfer timed out');
    else if (ended !== 'end') return this.failed(`${text}: ${errnoError(ended).message}`);
    if (doc.response.broken || (doc.response.chunked && !doc.response.done && ended === 'end')) return this.failed(`${text}: Protocol error`);
    if (doc.size >= 0 && count < doc.size) {
      warnx(p, `${path} appears to be truncated: ${count}/${doc.size} bytes`);
      return path !== STDOUT && o.retry && count > had ? 'again' : 'failed';
    }
    return ended === 'timeout' ? this.failed(`${path} may be truncated`) : 'ok';
  }

  private host(): ProcHost {
    return this.p.host ?? errx(this.p, 1, 'there are no files here: use -o -');
  }

  /** Bytes of a file of the host; -1 when there is none. */
  private async localSize(path: string): Promise<number> {
    try {
      const size = (await this.host().readFile(path)).length;
      if (this.o.verbosity > 1) this.p.err(`local size / mtime: ${size} / 0\n`);
      return size;
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (error.code !== 'ENOENT') errx(this.p, 1, `${path}: stat()`);
      return -1;
    }
  }

  private async open(path: string, append: boolean): Promise<HostFile | null> {
    if (path === STDOUT) return stdoutFile(this.p);
    try {
      return await this.host().openWrite(path, append);
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      warnx(this.p, `${path}: open(): ${error.message}`);
      return null;
    }
  }
}

/** Is it a folder? With several URLs it must be. */
async function isFolder(p: Proc, path: string, several: boolean): Promise<boolean> {
  try {
    await p.host?.listFolder(path);
    return p.host !== null;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    if (error.code === 'ENOENT' && several) errx(p, 1, `${path} is not a directory`);
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') errx(p, 1, `${path}: ${error.message}`);
    return false;
  }
}

async function fetchAll(p: Proc, o: FetchOptions, wait: ToolWait): Promise<number> {
  const folder = o.output !== null && o.output !== STDOUT && (await isFolder(p, o.output, o.urls.length > 1));
  const fetcher = new Fetcher(p, o, wait);
  let exit = 0;
  for (const url of o.urls) {
    const path = o.output === null ? fileOf(url) : folder ? `${o.output}/${fileOf(url)}` : o.output;
    let outcome = await fetcher.fetch(url, path);
    while (outcome === 'again') {
      if (o.retryDelaySec > 0 && o.verbosity > 0) p.err(`Waiting ${o.retryDelaySec} seconds before retrying\n`);
      await fetcher.pause();
      if (o.retryDelaySec === 0) await wait.sleepUntil(p.now() + 1_000_000);
      outcome = await fetcher.fetch(url, path);
    }
    if (outcome === 'ok' && o.once) return 0;
    if (outcome !== 'ok') exit = 1;
  }
  return exit;
}

export const fetch = toolMain(async (p) => {
  const o = parseFetch(p);
  const wait = new ToolWait(p, ['INT']);
  try {
    return await fetchAll(p, o, wait);
  } catch (error) {
    if (error instanceof ToolExit || !(error instanceof ToolInterrupted)) throw error;
    warnx(p, 'transfer interrupted');
    return 128 + signalNumber.INT;
  }
});
