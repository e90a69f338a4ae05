/**
 * http-client.ts — JSON calls to a daemon over its Unix socket, for the command line.
 *
 * One request per connection; failures come back as DaemonError with the daemon's words, or as DaemonUnreachable with the path and the remedy.
 */
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { errnoText } from './errno-text.js';

/** Nobody answers at the socket. */
export class DaemonUnreachable extends Error {
  override readonly name = 'DaemonUnreachable';
  readonly code: string;

  constructor(path: string, code: string) {
    super(`cannot reach the Netloom daemon at ${path}: ${errnoText(code)} (start it with "netloom daemon" or "netloom up LAB.yaml", or let NETLOOM_SOCKET name its socket)`);
    this.code = code;
  }
}

/** The daemon refused. `details` is the rest of its error object. */
export class DaemonError extends Error {
  override readonly name = 'DaemonError';
  readonly status: number;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, message: string, details: Readonly<Record<string, unknown>>) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

export class DaemonClient {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  get<T>(path: string): Promise<T> {
    return this.call<T>('GET', path);
  }

  post<T>(path: string, body: unknown): Promise<T> {
    return this.call<T>('POST', path, body);
  }

  delete<T>(path: string): Promise<T> {
    return this.call<T>('DELETE', path);
  }

  /** The lines of an answer, as they come, until it ends. */
  async *lines(path: string): AsyncGenerator<string> {
    const response = await this.open(path);
    if ((response.statusCode ?? 0) >= 400) throw this.refusal(response.statusCode ?? 0, await bodyOf(response));
    let rest = '';
    try {
      for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
        const lines = `${rest}${chunk}`.split('\n');
        rest = lines.pop() ?? '';
        yield* lines;
      }
    } catch (error) {
      throw new DaemonUnreachable(this.socketPath, (error as NodeJS.ErrnoException).code ?? 'EIO');
    }
  }

  private open(path: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.socketPath, method: 'GET', path, agent: false }, resolve);
      call.on('error', (error: NodeJS.ErrnoException) => reject(new DaemonUnreachable(this.socketPath, error.code ?? 'EIO')));
      call.end();
    });
  }

  private refusal(status: number, text: string): DaemonError {
    try {
      const { error } = JSON.parse(text) as { error?: { message: string } & Record<string, unknown> };
      return new DaemonError(status, error?.message ?? text, error ?? {});
    } catch {
      return new DaemonError(status, text, {});
    }
  }

  private call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const payload = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const headers = payload === null ? {} : { 'content-type': 'application/json', 'content-length': payload.length };
      const call = request({ socketPath: this.socketPath, method, path, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          try {
            const value = JSON.parse(text) as T & { error?: { message: string } & Record<string, unknown> };
            const status = response.statusCode ?? 0;
            if (status >= 400) reject(new DaemonError(status, value.error?.message ?? text, value.error ?? {}));
            else resolve(value);
          } catch {
            reject(new DaemonError(response.statusCode ?? 0, `the daemon at ${this.socketPath} answered with something that is not JSON; is it of this version?`, {}));
          }
        });
      });
      call.on('error', (error: NodeJS.ErrnoException) => reject(new DaemonUnreachable(this.socketPath, error.code ?? 'EIO')));
      call.end(payload ?? undefined);
    });
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
  return text;
}
