/**
 * fetch.test.ts — fetch from a server that is a few lines in another jail.
 */
import { EAGAIN, PF_INET, PF_INET6, SOCK_STREAM } from '@netloom/core';
import type { StreamSocket } from '@netloom/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { BinaryLab } from '../../test/binary-lab.js';
import { joinJails, vnetOf } from '../../test/test-links.js';
import { HostError } from '../proc.js';

const inA = { jail: 'a' };
const inB = { jail: 'b' };
const PORT = 80;

/** A lab that tells folders from files. */
class FolderLab extends BinaryLab {
  readonly folders = new Set<string>(['/tmp']);

  override listFolder(path: string): string[] {
    if (this.folders.has(path)) return super.listFolder(`${path}/`);
    throw new HostError(this.bytes.has(path) ? 'ENOTDIR' : 'ENOENT', this.bytes.has(path) ? 'Not a directory' : 'No such file or directory');
  }
}

let lab: FolderLab;
/** What the server was asked, and what it answers to a path: bytes, or pieces of them with pauses (microseconds) between. */
let asked: string[];
let answers: Record<string, string | readonly (string | number)[] | ((request: string) => string)>;

beforeEach(async () => {
  lab = new FolderLab();
  asked = [];
  answers = {};
  await lab.ok('jail -c name=a persist vnet');
  await lab.ok('jail -c name=b persist vnet');
  joinJails(lab, 'a', 'b', 'sim0', { delayUs: 1_000, bitsPerSec: 100_000_000 });
  await lab.ok('ifconfig sim0 192.0.2.1/24', inA);
  await lab.ok('ifconfig sim0 192.0.2.2/24', inB);
  await lab.ok('ifconfig sim0 inet6 fe80::2 no_dad', inB);
  await lab.ok('ifconfig sim0 inet6 fe80::1 no_dad', inA);
  await lab.advance(3_000_000);
  listen(PF_INET);
  listen(PF_INET6);
});

function listen(domain: number): void {
  const { so } = vnetOf(lab, 'b').sockets!.socket(domain, SOCK_STREAM);
  const server = so!;
  server.bind(0, PORT);
  server.listen(16);
  server.onReadable = () => {
    for (let client = server.accept(); client !== null; client = server.accept()) serve(client);
  };
}

/** Reads a request to its empty line, answers, and closes. */
function serve(so: StreamSocket): void {
  let request = '';
  const into = new Uint8Array(4_096);
  const read = (): void => {
    for (let n = so.recv(into); n > 0; n = so.recv(into)) request += Buffer.from(into.subarray(0, n)).toString('latin1');
    if (!request.includes('\r\n\r\n')) return;
    so.onReadable = null;
    asked.push(request);
    const answer = answers[request.split(' ')[1] ?? ''] ?? 'HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n';
    const text = typeof answer === 'function' ? answer(request) : answer;
    void speak(so, typeof text === 'string' ? [text] : text);
  };
  so.onReadable = read;
  read();
}

async function speak(so: StreamSocket, parts: readonly (string | number)[]): Promise<void> {
  for (const part of parts) {
    if (typeof part === 'number') await sleeps(part);
    else await write(so, Buffer.from(part, 'latin1'));
  }
  so.close();
}

/** Virtual time, with the help of a tool that sleeps. */
const sleeps = (us: number): Promise<unknown> => lab.start(`sleep ${us / 1_000_000}`).done;

async function write(so: StreamSocket, bytes: Uint8Array): Promise<void> {
  let rest = bytes;
  while (rest.length > 0 && !so.closed) {
    const n = so.send(rest);
    if (n === -EAGAIN) await new Promise<void>((resolve) => (so.onWritable = resolve));
    else if (n < 0) return;
    else rest = rest.subarray(n);
  }
}

const file = (path: string): string | undefined => {
  const bytes = lab.bytes.get(path);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
};

const ok = (body: string, more = ''): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${more}\r\n${body}`;
const fetch = (line: string, env: Record<string, string> = {}): ReturnType<FolderLab['sh']> => lab.sh(`fetch ${line}`, { ...inA, env });

describe('a document', () => {
  test('is kept under its name, and the line of figures says how it went', async () => {
    answers['/dir/hello.txt'] = ok('hello\n');
    const { exit, stdout, stderr } = await fetch('http://192.0.2.2/dir/hello.txt');
    expect([exit, stdout, file('hello.txt')]).toEqual([0, '', 'hello\n']);
    expect(stderr).toBe(`${'hello.txt'.padEnd(46)}           6  B ?? Bps    00s\n`);
    expect(asked).toEqual(['GET /dir/hello.txt HTTP/1.1\r\nHost: 192.0.2.2\r\nAccept: */*\r\nUser-Agent: fetch Netloom/0.1.0\r\nConnection: close\r\n\r\n']);
  });

  test('a megabyte arrives as it was sent, whatever the framing', async () => {
    const body = Array.from({ length: 65_536 }, (_, i) => String(i).padStart(16, '.')).join('');
    answers['/length'] = ok(body);
    answers['/close'] = `HTTP/1.0 200 OK\r\n\r\n${body}`;
    answers['/chunked'] = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${[0, 1, 2, 3].map((i) => body.slice(i * 262_144, (i + 1) * 262_144)).map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`;
    for (const name of ['length', 'close', 'chunked']) {
      const { exit } = await fetch(`-q http://192.0.2.2/${name}`);
      expect([exit, file(name) === body]).toEqual([0, true]);
    }
  });

  test('-o: another name, a folder, standard output', async () => {
    answers['/x'] = ok('body');
    await fetch('-q -o other http://192.0.2.2/x');
    await fetch('-q -o /tmp http://192.0.2.2/x');
    expect([file('other'), file('/tmp/x')]).toEqual(['body', 'body']);
    expect(await fetch('-q -o - http://192.0.2.2/x')).toEqual({ exit: 0, stdout: 'body', stderr: '' });
    expect((await fetch('-o gone http://192.0.2.2/x http://192.0.2.2/x')).stderr).toBe('fetch: gone is not a directory\n');
    expect((await fetch('-q -o - http://192.0.2.2')).exit).toBe(1);
  });

  test('over IPv6, with a zone, and from an address of ours', async () => {
    answers['/x'] = ok('six');
    expect(await fetch('-q -o - http://[fe80::2%sim0]/x')).toEqual({ exit: 0, stdout: 'six', stderr: '' });
    expect(asked[0]).toContain('Host: [fe80::2]\r\n');
    expect((await fetch('-q -o - --bind-address=192.0.2.1 http://192.0.2.2/x')).stdout).toBe('six');
    expect((await fetch('-q --bind-address=192.0.2.9 http://192.0.2.2/x')).stderr).toBe("fetch: http://192.0.2.2/x: Can't assign requested address\n");
  });

  test('-v tells what happens', async () => {
    answers['/old'] = 'HTTP/1.1 302 Found\r\nLocation: /new\r\n\r\n';
    answers['/new'] = ok('body', 'Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n');
    const { stderr } = await fetch('-v -o x http://192.0.2.2/old');
    expect(stderr).toBe(`resolving server address: 192.0.2.2:80
requesting http://192.0.2.2/old
302 redirect to /new
resolving server address: 192.0.2.2:80
requesting http://192.0.2.2/new
remote size / mtime: 4 / 784111777
${'x'.padEnd(46)}           4  B ?? Bps    00s
`);
  });

  test('-s prints the size, -S wants one', async () => {
    answers['/x'] = (request) => (request.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n' : ok('body'));
    answers['/unknown'] = 'HTTP/1.1 200 OK\r\n\r\nbody';
    expect(await fetch('-s http://192.0.2.2/x http://192.0.2.2/unknown')).toEqual({ exit: 0, stdout: '1234\nUnknown\n', stderr: '' });
    expect((await fetch('-q -S 5 http://192.0.2.2/x')).stderr).toBe('fetch: http://192.0.2.2/x: size mismatch: expected 5, actual 4\n');
    expect((await fetch('-q -S 4 http://192.0.2.2/x')).exit).toBe(0);
  });

  test('-r goes on where a file ends', async () => {
    answers['/x'] = (request) => (request.includes('Range: bytes=4-') ? 'HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-7/8\r\nContent-Length: 4\r\n\r\n5678' : ok('12345678'));
    lab.bytes.set('x', Buffer.from('abcd'));
    const appended: string[] = [];
    const open = lab.openWrite.bind(lab);
    lab.openWrite = (path: string, append = false) => {
      appended.push(`${path} ${String(append)}`);
      return open(path);
    };
    expect((await fetch('-q -r http://192.0.2.2/x')).exit).toBe(0);
    expect([appended, file('x')]).toEqual([['x true'], '5678']);
    lab.bytes.set('x', Buffer.from('12345678'));
    answers['/x'] = 'HTTP/1.1 416 No\r\nContent-Range: bytes */8\r\n\r\n';
    expect(await fetch('-r http://192.0.2.2/x')).toEqual({ exit: 0, stdout: '', stderr: '' });
    answers['/x'] = ok('new');
    expect((await fetch('-r http://192.0.2.2/x')).stderr).toBe('fetch: x: local file (8 bytes) is longer than remote file (3 bytes)\n');
  });
});

test('nc serves a file to one client', async () => {
  const server = lab.start('nc -N -l 8080', { ...inB, stdin: 'HTTP/1.0 200 OK\r\n\r\nfrom nc\n' });
  await lab.advance(10_000);
  expect(await fetch('-q -o - http://192.0.2.2:8080/')).toEqual({ exit: 0, stdout: 'from nc\n', stderr: '' });
  await lab.advance(1_000_000);
  expect((await server.done).stdout).toContain('GET / HTTP/1.1\r\n');
});

describe('passwords', () => {
  const guarded = (request: string): string => (request.includes('Authorization: Basic dXNlcjpwQHNz\r\n') ? ok('secret') : 'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n');

  test('of the URL, or of HTTP_AUTH, are said when they are asked for', async () => {
    answers['/x'] = guarded;
    expect((await fetch('-q -o - http://user:p%40ss@192.0.2.2/x')).stdout).toBe('secret');
    expect(asked[0]).not.toContain('Authorization');
    expect((await fetch('-q -o - http://192.0.2.2/x', { HTTP_AUTH: 'basic:*:user:p@ss' })).stdout).toBe('secret');
    for (const url of ['http://192.0.2.2/x', 'http://user:wrong@192.0.2.2/x']) expect((await fetch(`-q ${url}`)).stderr).toBe(`fetch: ${url}: Unauthorized\n`);
    answers['/x'] = 'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="x"\r\n\r\n';
    expect((await fetch('-q http://u:p@192.0.2.2/x')).stderr).toBe('fetch: http://u:p@192.0.2.2/x: Unauthorized (the server asks for Digest, what is built in is Basic)\n');
  });
});

describe('errors', () => {
  test.each([
    ['http://192.0.2.2/gone', 'Not Found'],
    ['http://192.0.2.2:81/', 'Connection refused'],
    ['http://nowhere/', 'Host does not resolve'],
    ['https://192.0.2.2/', 'TLS is not built in: use http://, or https of @netloom/node/net on this vnet (docs/sockets.md)'],
    ['ftp://192.0.2.2/', 'ftp is not built in: serve the file over http://'],
    ['file:///etc/passwd', 'files of this machine are not fetched: copy them with cp(1)'],
    ['gopher://h/', 'Invalid URL scheme'],
    ['http://[::1/', 'parse error'],
    ['http://192.0.2.2/loop', 'Moved Temporarily'],
    ['http://192.0.2.2/to-tls', 'TLS is not built in: use http://, or https of @netloom/node/net on this vnet (docs/sockets.md)'],
    ['http://192.0.2.2/nowhere-to-go', 'Moved Permanently'],
    ['http://192.0.2.2/ssh', 'Protocol error'],
    ['http://192.0.2.2/silence', 'Protocol error'],
    ['http://192.0.2.2/bad-chunk', 'Protocol error'],
    ['http://203.0.113.1/', 'Network is unreachable'],
  ])('%s: %s', async (url, text) => {
    Object.assign(answers, {
      '/loop': 'HTTP/1.1 302 Found\r\nLocation: /loop\r\n\r\n', '/to-tls': 'HTTP/1.1 301 Moved\r\nLocation: https://192.0.2.2/\r\n\r\n', '/nowhere-to-go': 'HTTP/1.1 301 Moved\r\n\r\n',
      '/ssh': 'SSH-2.0-server\r\n', '/silence': '', '/bad-chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
    });
    const { exit, stderr } = await fetch(`-q -o out ${url}`);
    expect([exit, stderr]).toEqual([1, `fetch: ${url}: ${text}\n`]);
  });

  test('-A stays, unless the document has moved for good', async () => {
    answers['/for-now'] = 'HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n';
    answers['/for-good'] = 'HTTP/1.1 301 Moved\r\nLocation: /x\r\n\r\n';
    answers['/x'] = ok('body');
    expect((await fetch('-q -A http://192.0.2.2/for-now')).stderr).toBe('fetch: http://192.0.2.2/for-now: Moved Temporarily\n');
    expect((await fetch('-q -A http://192.0.2.2/for-good')).exit).toBe(0);
  });

  test('the exit code is that of all, with -1 that of the first that comes', async () => {
    answers['/x'] = ok('body');
    expect((await fetch('-q http://192.0.2.2/x http://192.0.2.2/gone')).exit).toBe(1);
    expect(await fetch('-1 -q http://192.0.2.2/gone http://192.0.2.2/x http://192.0.2.2/gone')).toMatchObject({ exit: 0, stderr: 'fetch: http://192.0.2.2/gone: Not Found\n' });
  });

  test('a transfer that ends early, and -a, which goes on', async () => {
    let times = 0;
    answers['/x'] = (request) => {
      if (times++ === 0) return 'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n1234';
      return request.includes('Range: bytes=4-') ? 'HTTP/1.1 206 P\r\nContent-Range: bytes 4-7/8\r\n\r\n5678' : ok('12345678');
    };
    expect(await fetch('-q http://192.0.2.2/x')).toEqual({ exit: 1, stdout: '', stderr: 'fetch: x appears to be truncated: 4/8 bytes\n' });
    times = 0;
    expect(await fetch('-q -a http://192.0.2.2/x')).toMatchObject({ exit: 0, stderr: 'fetch: x appears to be truncated: 4/8 bytes\n' });
    expect(asked.at(-1)).toContain('Range: bytes=4-');
  });

  test('-T: before the answer, and in the middle of it', async () => {
    answers['/late'] = [20_000_000, ok('x')];
    answers['/stops'] = ['HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n1234', 20_000_000, '5678'];
    const from = lab.kernel.now;
    expect((await fetch('-q -T 5 http://192.0.2.2/late')).stderr).toBe('fetch: transfer timed out\n');
    expect(lab.kernel.now - from).toBe(5_000_000);
    expect((await fetch('-q -T 5 http://192.0.2.2/stops')).stderr).toBe('fetch: transfer timed out\nfetch: stops appears to be truncated: 4/8 bytes\n');
    await lab.advance(60_000_000);
  });

  test('INT ends it, KILL leaves no socket', async () => {
    answers['/slow'] = ['HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n1234', 3_600_000_000];
    const one = lab.start('fetch -q http://192.0.2.2/slow', inA);
    await lab.advance(1_000_000);
    one.proc.signal('INT');
    await lab.advance(1_000_000);
    expect(await one.done).toMatchObject({ exit: 130, stderr: 'fetch: transfer interrupted\n' });
    const two = lab.start('fetch -q http://192.0.2.2/slow', inA);
    await lab.advance(1_000_000);
    two.proc.signal('KILL');
    await two.done;
    expect(vnetOf(lab, 'a').kern.sockcnt).toBe(0);
  });

  test.each([
    ['', 'usage: fetch [-146AadFlMmnPpqRrsUv]'], ['-m http://h/', 'fetch: -m: modification times of files are not seen from here: remove the file, or continue it with -r'],
    ['-T x http://h/', 'fetch: invalid timeout (x)'], ['-f x http://h/', 'fetch: -f: ftp is not built in: serve the file over http'], ['--quux http://h/', "fetch: unrecognized option `--quux'"],
  ])('fetch %s', async (line, text) => {
    const { exit, stderr } = await fetch(line);
    expect([exit, stderr.startsWith(text)]).toEqual([1, true]);
  });
});
