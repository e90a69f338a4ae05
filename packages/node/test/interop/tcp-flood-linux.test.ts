/**
 * tcp-flood-linux.test.ts — Linux's raw sockets flood a vnet's listener with SYNs from addresses that never answer, and one honest client of Linux's gets
 * through, at once and with everything that was negotiated.
 * Read first: RFC 4987; packages/core/src/tcp/tcp-syncache.ts, tcp-syncookie.ts.
 *
 * The SYNs come from 198.18.0.0/15 (RFC 2544), which Linux routes to nowhere: answers to them are lost, as those to forged addresses are.
 */
import { listen } from '@netloom/core/promises';
import { describe, expect } from 'vitest';
import { peer } from '../peers.js';
import { Netns } from './netns.js';
import { LIMIT, LINUX, TCP_PEERS, VNET, accepted, exactly, withNeighbour, write } from './tcp-neighbour.js';
import { LinuxPython } from './linux-python.js';

const PORT = 80;
/** Small, so that a machine that is busy fills it, too. */
const CACHELIMIT = 200;
const ENOUGH = 2_000;
const ANSWER = 'x'.repeat(100_000);

const FLOOD = `
import random
flooding, sent = True, 0
def checksum(b):
    total = sum(struct.unpack('>%dH' % (len(b) // 2), b))
    total = (total & 0xffff) + (total >> 16)
    return ~((total & 0xffff) + (total >> 16)) & 0xffff
def syn(dst, port):
    src = struct.pack('>I', 0xc6120000 + random.randrange(1 << 17))
    options = b'\\x02\\x04\\x05\\xb4\\x04\\x02\\x08\\x0a' + struct.pack('>II', 1, 0) + b'\\x01\\x03\\x03\\x07'
    tcp = struct.pack('>HHIIBBHHH', random.randrange(1024, 65536), port, random.randrange(1 << 32), 0, 0xa0, 2, 64240, 0, 0) + options
    sum = checksum(src + dst + struct.pack('>HH', 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack('>H', sum) + tcp[18:]
    return struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + src + dst + tcp
def flood():
    global sent
    raw = socket(AF_INET, SOCK_RAW, IPPROTO_RAW)
    dst = inet_aton('${VNET[4]}')
    while flooding:
        for _ in range(50): raw.sendto(syn(dst, ${PORT}), ('${VNET[4]}', 0)); sent += 1
        time.sleep(0.005)
threading.Thread(target=flood, daemon=True).start()`;

describe('a flood of SYNs', () => {
  for (const only of [0, 1]) {
    peer(...TCP_PEERS)(`an honest client gets through by a cookie, ${only === 1 ? 'with syncookies_only' : 'the syncache being full'}`, LIMIT, () => withNeighbour(async ({ d, ns, py, vnet }) => {
      await d.ok('v1', 'route', 'add', 'default', LINUX[4]);
      await d.ok('v1', 'sysctl', `net.inet.tcp.syncache.cachelimit=${CACHELIMIT}`);
      await d.ok('v1', 'sysctl', `net.inet.tcp.syncookies_only=${only}`);
      const listener = listen(vnet, { port: PORT });
      const { stats } = vnet.tcp;
      const attacker = new LinuxPython(ns);
      await attacker.run(FLOOD);
      await Netns.until('the flood is there', () => stats.sc_added + stats.sc_sendcookie + stats.sc_cacheoverflow > ENOUGH, 20);
      await py.run(`s = create_connection(('${VNET[4]}', ${PORT}))`);
      const stream = await accepted(listener);
      // The cookie carries what the SYN asked for: MSS, window scale, SACK; timestamps are in every segment.
      const { timestamps, sack, wscale, sndMss } = stream.socket.info();
      expect({ timestamps, sack, wscale, sndMss }).toEqual({ timestamps: true, sack: true, wscale: true, sndMss: 1448 });
      await py.run('s.sendall(b"who is there")');
      expect(await exactly(stream, 12)).toBe('who is there');
      const heard = py.run(`exactly(s, ${ANSWER.length})`);
      await write(stream, ANSWER);
      expect(await heard).toBe(ANSWER);
      const sent = await attacker.run<number>('sent');
      await attacker.run('flooding = False');
      expect([sent > ENOUGH, stats.sc_sendcookie > 0, stats.sc_recvcookie, stats.accepts, stats.sc_cacheoverflow + stats.sc_bucketoverflow > 0]).toEqual([true, true, 1, 1, only === 0]);
      expect(Number(await d.ok('v1', 'sysctl', '-n', 'net.inet.tcp.syncache.count'))).toBeLessThanOrEqual(only === 1 ? 0 : CACHELIMIT);
      listener.close();
      stream.abort();
    }));
  }
});
