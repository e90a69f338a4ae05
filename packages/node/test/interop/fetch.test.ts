/**
 * fetch.test.ts — our fetch from Node's web server on Linux, in a namespace, over a TAP device.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns, withNetns } from './netns.js';
import { withDaemon } from './test-daemon.js';
import type { TestDaemon } from './test-daemon.js';

const NEEDS = ['root', 'tun', 'netns', 'ip'] as const;
const FILE_BYTES = 20_000_000;

/** Serves the file named by its argument: with a length and ranges at /big, in chunks at /chunks; /moved is elsewhere. */
const SERVER = `
const { readFileSync } = require('node:fs');
const file = readFileSync(process.argv[1]);
require('node:http').createServer((req, res) => {
  const from = Number(/^bytes=(\\d+)-$/.exec(req.headers.range ?? '')?.[1] ?? 0);
  if (req.url === '/big' && from > 0) {
    res.writeHead(206, { 'content-range': 'bytes ' + from + '-' + (file.length - 1) + '/' + file.length, 'content-length': file.length - from }).end(file.subarray(from));
  } else if (req.url === '/big') res.writeHead(200, { 'content-length': file.length }).end(req.method === 'HEAD' ? undefined : file);
  else if (req.url === '/chunks') { res.write(file.subarray(0, 1000)); res.write(file.subarray(1000, 9000001)); res.end(file.subarray(9000001)); }
  else if (req.url === '/moved') res.writeHead(302, { location: '/big' }).end();
  else res.writeHead(404).end('nothing here');
}).listen(8000, '::', () => console.log('listening'));
`;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function served(body: (d: TestDaemon, big: Buffer) => Promise<void>): () => Promise<void> {
  return () =>
    withNetns(1, (ns) =>
      withDaemon(async (d) => {
        await d.vnet('v1');
        const { ifname, device } = await d.plug('v1', ns, { vnet: '10.77.0.2/24', linux: '10.77.0.1/24' });
        await d.ok('v1', 'ifconfig', ifname, 'inet6', 'fd77::2/64', 'no_dad');
        ns.ip('-6', 'addr', 'add', 'fd77::1/64', 'dev', device, 'nodad');
        const big = randomBytes(FILE_BYTES);
        writeFileSync(d.path('big'), big);
        let heard = '';
        ns.spawn(process.execPath, '-e', SERVER, d.path('big')).stdout!.setEncoding('utf8').on('data', (text: string) => (heard += text));
        await Netns.until('the server listens', () => heard.includes('listening'));
        await body(d, big);
      }),
    );
}

describe('fetch from Linux', () => {
  peer(...NEEDS)('a large file, over IPv4 and IPv6, with a length and in chunks, whole', served(async (d, big) => {
    for (const url of ['http://10.77.0.1:8000/big', 'http://[fd77::1]:8000/big', 'http://10.77.0.1:8000/moved']) {
      const { exitCode, stderr } = await d.run('v1', 'fetch', '-o', 'copy', url);
      expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/^copy {52}19 MB +\d+ [kM]Bps {4}\d\ds\n$/)]);
      expect(sha256(readFileSync(d.path('copy')))).toBe(sha256(big));
    }
    await d.ok('v1', 'fetch', '-q', '-o', 'chunks', 'http://[fd77::1]:8000/chunks');
    expect(sha256(readFileSync(d.path('chunks')))).toBe(sha256(big));
  }));

  peer(...NEEDS)('the rest of a file, a size, refusals', served(async (d, big) => {
    await d.ok('v1', 'fetch', '-q', '-o', 'copy', 'http://10.77.0.1:8000/big');
    truncateSync(d.path('copy'), 12_345_678);
    await d.ok('v1', 'fetch', '-q', '-r', '-o', 'copy', 'http://10.77.0.1:8000/big');
    expect(sha256(readFileSync(d.path('copy')))).toBe(sha256(big));
    expect(await d.ok('v1', 'fetch', '-s', 'http://10.77.0.1:8000/big')).toBe(`${FILE_BYTES}\n`);
    expect(await d.run('v1', 'fetch', 'http://10.77.0.1:8000/gone')).toMatchObject({ exitCode: 1, stderr: 'fetch: http://10.77.0.1:8000/gone: Not Found\n' });
    expect(await d.run('v1', 'fetch', 'http://10.77.0.1:8001/')).toMatchObject({ exitCode: 1, stderr: 'fetch: http://10.77.0.1:8001/: Connection refused\n' });
  }));
});
