/**
 * hostile-guest.test.ts — front ends and drivers that keep no rule: each harms itself at most, and two guests beside it go on.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, ftruncateSync, readFileSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { Worker } from 'node:worker_threads';
import { Prng } from '@netloom/core';
import { describe, expect, test } from 'vitest';
import { withPortLab } from '../../test/port-lab.js';
import type { PortLab } from '../../test/port-lab.js';
import { numberedFrame } from '../../test/stream-peer.js';
import { gets, plug, replug, vhostUser, withPair } from '../../test/vhost-user/vhost-pair.js';
import { FrontEnd, MEMORY_START } from '../../test/vhost-user/front-end.js';
import {
  MESSAGE_NEED_REPLY, NET_SET_MTU, SET_FEATURES, SET_MEM_TABLE, SET_PROTOCOL_FEATURES, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL, SET_VRING_KICK, SET_VRING_NUM,
  statePayload, u64Payload,
} from './protocol.js';
import { RECEIVEQ, TRANSMITQ } from './virtio-net.js';

const [A, B] = [1, 2];

/** Two guests that get on, and a port for a third. */
async function withThird(body: (lab: PortLab, check: () => Promise<void>, a: FrontEnd) => Promise<void>): Promise<void> {
  await withPortLab(async (lab) => {
    await lab.tool('ifconfig', 'tap2', 'create', 'up');
    await lab.tool('ifconfig', 'bridge0', 'addm', 'tap2');
    await withPair(lab, async (a, b) => {
      let n = 0;
      await body(lab, async () => {
        a.send(numberedFrame(B, A, n));
        await gets(b, [n]);
        b.send(numberedFrame(A, B, n));
        await gets(a, [n]);
        n++;
      }, a);
      for (const ifname of ['tap0', 'tap1']) expect(await lab.port(ifname)).toMatchObject({ state: 'connected', connects: 1, vhostUser: { broken: 0 } });
    });
  });
}

/** What a descriptor of this process is. */
function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

const warnings = (lab: PortLab, text: string): string[] => lab.log.filter((line) => line.includes(text));

describe('a driver', () => {
  type Wreck = (guest: FrontEnd) => void;
  const describeAt = (guest: FrontEnd, index: number, i: number, { address = MEMORY_START, length = 64, flags = 0, next = 0 }): void => {
    const { desc } = guest.rings[index]!;
    desc.setBigUint64(16 * i, BigInt(address), true);
    desc.setUint32(16 * i + 8, length, true);
    desc.setUint16(16 * i + 12, flags, true);
    desc.setUint16(16 * i + 14, next, true);
  };
  const offer = (guest: FrontEnd, head: number, index = TRANSMITQ): void => {
    const { avail, num } = guest.rings[index]!;
    const at = avail[1]!;
    avail[2 + (at & (num - 1))] = head;
    Atomics.store(avail, 1, at + 1);
    guest.kicks[index]!.signal();
  };
  const wrecks: readonly (readonly [string, Wreck, string])[] = [
    ['whose buffer is in no memory', (g) => { describeAt(g, TRANSMITQ, 0, { address: 0x10 }); offer(g, 0); }, 'which is not in the guest\'s memory'],
    ['whose buffer goes round the end of all addresses', (g) => { describeAt(g, TRANSMITQ, 0, { length: 0xffff_ffff }); offer(g, 0); }, 'which is not in the guest\'s memory'],
    ['whose chain is a circle', (g) => { describeAt(g, TRANSMITQ, 0, { flags: 1, next: 1 }); describeAt(g, TRANSMITQ, 1, { flags: 1 }); offer(g, 0); }, 'or in a circle'],
    ['whose chain leaves the ring', (g) => { describeAt(g, TRANSMITQ, 0, { flags: 1, next: 0xffff }); offer(g, 0); }, 'goes on at 65535 of 256'],
    ['whose head is no descriptor', (g) => offer(g, 0xffff), 'names descriptor 65535 of 256'],
    ['whose index runs away', (g) => { Atomics.store(g.rings[TRANSMITQ].avail, 1, 0x4000); g.kicks[TRANSMITQ].signal(); }, 'ahead in a ring of 256'],
    ['whose buffer may be written', (g) => { describeAt(g, TRANSMITQ, 0, { flags: 2 }); offer(g, 0); }, 'a buffer that the device may write'],
    ['whose table is in itself', (g) => { describeAt(g, TRANSMITQ, 0, { address: g.rings[TRANSMITQ].descAddress, length: 16, flags: 4 }); offer(g, 0); }, 'an indirect descriptor'],
  ];

  test.each(wrecks)('%s has its ring stopped', (_name, wreck, reason) => withThird(async (lab, check) => {
    const bad = await plug(lab, 'tap2');
    wreck(bad);
    await expect.poll(() => lab.state('tap2')).toBe('broken');
    await check();
    const { broken, reason: why } = await vhostUser(lab, 'tap2');
    expect([broken, why]).toEqual([1, expect.stringContaining(reason)]);
    bad.kicks[TRANSMITQ].signal();
    await check();
    expect(warnings(lab, 'broke the rules')).toHaveLength(1);
    // It may begin anew.
    bad.close();
    await expect.poll(() => lab.state('tap2')).toBe('listening');
    const again = await replug(lab, 'tap2');
    again.send(numberedFrame(B, 3, 9));
    await expect.poll(async () => (await lab.port('tap2')).fromGuest.frames).toBe(1);
    again.close();
  }));

  test('whose receive buffers are nowhere gets no frames, and the ring is stopped', () => withThird(async (lab, check, a) => {
    const bad = await plug(lab, 'tap2', { num: 16 });
    for (let i = 0; i < 16; i++) describeAt(bad, RECEIVEQ, i, { address: 0x10, length: 2_048, flags: 2 });
    await check(); // so that the bridge knows where everybody is
    bad.send(numberedFrame(A, 3, 7));
    await expect.poll(async () => (await lab.port('tap2')).fromGuest.frames).toBe(1);
    await gets(a, [7]);
    const before = lab.dropped('tap2');
    for (const n of [1, 2, 3]) a.send(numberedFrame(3, A, n));
    await expect.poll(() => lab.dropped('tap2')).toBe(before + 3);
    expect(await lab.port('tap2')).toMatchObject({ state: 'broken', toGuest: { frames: 0, drops: before + 3 } });
    expect((await vhostUser(lab, 'tap2')).broken).toBe(1);
    await check();
    bad.close();
  }));

  test('that scribbles over its rings all the time ends no one but itself', { timeout: 60_000 }, () => withThird(async (lab, check) => {
    const bad = await plug(lab, 'tap2');
    const scribbler = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       const { writeSync } = require('node:fs');
       let x = 12345; const next = () => (x = (Math.imul(x, 1103515245) + 12345) >>> 0);
       const bytes = new Uint8Array(4);
       for (let i = 0; i < 150000; i++) {
         new DataView(bytes.buffer).setUint32(0, next() & (next() | next()), true);
         writeSync(workerData.fd, bytes, 0, 4, (next() >>> 4) % workerData.size & ~3);
       }
       parentPort.postMessage('done');`,
      { eval: true, workerData: { fd: bad.memoryFd, size: bad.rings[TRANSMITQ].end - MEMORY_START } },
    );
    let done = false;
    scribbler.once('message', () => (done = true));
    let plugged = 0;
    while (!done) {
      bad.kicks[TRANSMITQ].signal();
      bad.kicks[RECEIVEQ].signal();
      await check();
      if ((await lab.state('tap2')) !== 'broken') continue;
      plugged++;
      // Its rings are started again, as they are.
      for (const index of [TRANSMITQ, RECEIVEQ]) await bad.startRing(index, await bad.stopRing(index));
    }
    await scribbler.terminate();
    bad.close();
    expect(plugged).toBeGreaterThan(0);
    expect((await vhostUser(lab, 'tap2')).broken).toBeGreaterThanOrEqual(plugged);
  }));
});

describe('a front end', () => {
  type Say = (guest: FrontEnd) => void | Promise<void>;
  const says: readonly (readonly [string, Say, string])[] = [
    ['of another version', (g) => g.tell(1, new Uint8Array(0), [], 2), 'a message of version 3; this is version 1'],
    ['with a message that has no end', (g) => g.tell(1, new Uint8Array(2_000)), 'message 1 has 2000 bytes of payload; 1024 are allowed'],
    ['with a message that there is not', (g) => g.tell(77, new Uint8Array(8)), 'message 77, which was not agreed on'],
    ['with a payload that is too short', (g) => g.tell(SET_VRING_NUM, new Uint8Array(4)), 'message 8 has 4 bytes of payload; it needs 8'],
    ['that wants features nobody offered', (g) => g.tell(SET_FEATURES, u64Payload(1n << 34n)), 'features 0x400000000, which were not offered'],
    ['that wants protocol features nobody offered', (g) => g.tell(SET_PROTOCOL_FEATURES, u64Payload(1n)), 'protocol features 0x1, which were not offered'],
    ['with a third queue', (g) => g.tell(SET_VRING_NUM, statePayload(2, 256)), 'queue 2; there are 2 (QEMU\'s queues=1)'],
    ['with a ring of three', (g) => g.tell(SET_VRING_NUM, statePayload(0, 3)), 'a ring of 3 descriptors; it has a power of two of them, and 32768 at most'],
    ['with a ring of too many', (g) => g.tell(SET_VRING_NUM, statePayload(0, 65_536)), 'a ring of 65536 descriptors'],
    ['with an index of 17 bits', (g) => g.tell(SET_VRING_BASE, statePayload(0, 65_536)), 'a ring that goes on at 65536; indexes have 16 bits'],
    ['with an MTU of ten', (g) => g.tell(NET_SET_MTU, u64Payload(10n)), 'an MTU of 10; 68 to 65535 are possible'],
    ['that forgets a descriptor', (g) => g.tell(SET_VRING_CALL, u64Payload(0n)), 'the call descriptor of the receive ring is missing'],
    ['whose descriptor is no eventfd', (g) => g.tell(SET_VRING_CALL, u64Payload(0n), [g.memoryFd]), 'the call descriptor of the receive ring is no eventfd'],
    ['that wants a ring polled', (g) => g.tell(SET_VRING_KICK, u64Payload(0x100n)), 'the receive ring is to be polled; it needs a descriptor to kick'],
    ['that starts a ring it never described', (g) => g.tell(SET_VRING_KICK, u64Payload(0n), [g.kicks[0].fd]), 'the receive ring is started before its memory, size and addresses are known'],
    ['whose memory has no descriptor', (g) => g.tell(SET_MEM_TABLE, g.memoryTable()), 'SET_MEM_TABLE has 1 memory regions and 0 descriptors'],
    ['whose memory is longer than its file', (g) => g.tell(SET_MEM_TABLE, g.memoryTable({ fileOffset: 4_096 }), [g.memoryFd]), 'bytes at 4096 of a file of'],
    ['whose memory is no file', (g) => g.tell(SET_MEM_TABLE, g.memoryTable(), [g.kicks[0].fd]), 'at 0 of a file of 0; give the guest -object memory-backend-memfd,share=on'],
    ['whose memory has no bytes', (g) => g.tell(SET_MEM_TABLE, g.memoryTable({ size: 0 }), [g.memoryFd]), 'a memory region of no bytes'],
    ['with nine regions', (g) => g.tell(SET_MEM_TABLE, statePayload(9, 0)), 'message 5 has 9 memory regions; 8 are allowed'],
    ['whose ring is in no memory', async (g) => {
      await g.negotiate();
      await g.shareMemory();
      await g.set(SET_VRING_NUM, statePayload(0, 32_768));
      await g.set(SET_VRING_ADDR, g.ringAddresses(0));
      g.tell(SET_VRING_KICK, u64Payload(0n), [g.kicks[0].fd]);
    }, 'the descriptor table of the receive ring, 524288 bytes at 0x'],
    ['whose ring is not aligned', async (g) => {
      await g.negotiate();
      await g.shareMemory();
      const addresses = g.ringAddresses(1);
      addresses[16]! += 2;
      await g.set(SET_VRING_NUM, statePayload(1, 8));
      await g.set(SET_VRING_ADDR, addresses);
      g.tell(SET_VRING_KICK, u64Payload(1n), [g.kicks[0].fd]);
    }, 'the used ring of the transmit ring'],
  ];

  test('says what cannot be: its connection is closed, that is said once, and the next may come', { timeout: 60_000 }, () => withThird(async (lab, check) => {
    await lab.attach('tap2', `vhost-user:${lab.path('tap2')}`);
    for (const [name, say, reason] of says) {
      for (let i = 0; i < 2; i++) {
        const bad = FrontEnd.connect(lab.path('tap2'), { num: 64 });
        await say(bad);
        await expect.poll(() => bad.isClosed, { interval: 5 }).toBe(true);
      }
      const port = await lab.port('tap2');
      expect([name, port.state, port.error]).toEqual([name, 'listening', expect.stringContaining(reason)]);
      expect(warnings(lab, reason.replaceAll('"', '\\"')), name).toHaveLength(1);
    }
    await check();
  }));

  test('that asked for an acknowledgement is told that it is refused', () => withPortLab(async (lab) => {
    await lab.attach('tap0', `vhost-user:${lab.path('tap0')}`);
    const bad = FrontEnd.connect(lab.path('tap0'), {});
    await bad.negotiate();
    await expect(bad.set(SET_VRING_NUM, statePayload(0, 3))).rejects.toThrow('message 8 was refused');
    await expect.poll(() => bad.isClosed).toBe(true);
  }));

  test('whose memory could be cut short is refused, unless the administrator trusts it', () => withPortLab(async (lab) => {
    await lab.attach('tap0', `vhost-user:${lab.path('tap0')}`);
    const loose = FrontEnd.connect(lab.path('tap0'), { sealed: false });
    await expect(loose.start()).rejects.toThrow('message 5 was refused');
    expect((await lab.port('tap0')).error).toContain('could be cut short');
    await lab.detach('tap0');
    await lab.attach('tap0', `vhost-user:${lab.path('tap0')},unsealed`);
    const trusted = FrontEnd.connect(lab.path('tap0'), { sealed: false });
    await trusted.start();
    expect((await vhostUser(lab, 'tap0')).driver).toBe(true);
    const sealed = FrontEnd.connect(lab.path('tap0'), {});
    expect(() => ftruncateSync(sealed.memoryFd, 0)).toThrow('EPERM');
    sealed.close();
    trusted.close();
  }));

  test('that sends anything at all leaves no descriptor and no memory behind', { timeout: 60_000 }, () => withThird(async (lab, check) => {
    await lab.attach('tap2', `vhost-user:${lab.path('tap2')}`);
    const prng = new Prng(1);
    const open = (): number => readdirSync('/proc/self/fd').filter((fd) => /eventfd|memfd:guest/.test(linkOf(fd))).length;
    const maps = (): number => readFileSync('/proc/self/maps', 'utf8').split('memfd:guest').length;
    const before = [open(), maps()];
    for (let round = 0; round < 150; round++) {
      const bad = FrontEnd.connect(lab.path('tap2'), { num: 64 });
      if (round % 3 === 0) await bad.start().catch(() => undefined);
      for (let i = 0; i < 20 && !bad.isClosed; i++) {
        const payload = Uint8Array.from({ length: prng.below(48) }, () => (prng.below(3) === 0 ? prng.below(256) : 0));
        const fds = Array.from({ length: prng.below(4) }, () => [bad.memoryFd, bad.kicks[0].fd, bad.calls[1].fd][prng.below(3)]!);
        bad.tell(prng.below(40), payload, fds, prng.below(2) * MESSAGE_NEED_REPLY);
      }
      await new Promise((resolve) => setImmediate(resolve));
      bad.close();
      await expect.poll(() => lab.state('tap2'), { interval: 5 }).toBe('listening');
    }
    await check();
    await expect.poll(() => [open(), maps()]).toEqual(before);
  }));
});

describe('what cannot be attached', () => {
  test('says why, and what to do', () => withPortLab(async (lab) => {
    const path = lab.path('x');
    expect(await lab.refusal('vhost-user:relative')).toContain('is not an absolute path');
    expect(await lab.refusal(`vhost-user:/${'y'.repeat(120)}`)).toContain('is longer than 107 bytes');
    expect(await lab.refusal(`vhost-user:${lab.path('no/folder')}`)).toContain('there is no folder');
    writeFileSync(path, '');
    expect(await lab.refusal(`vhost-user:${path}`)).toBe(`"${path}" exists and is not a socket; choose another path, or move it away`);
    const taken = lab.path('taken');
    const server = createServer().listen(taken);
    await new Promise((resolve) => server.once('listening', resolve));
    expect(await lab.refusal(`vhost-user:${taken}`)).toBe(`somebody is listening at "${taken}" already; write ",client" behind it to connect to it, or choose another path`);
    await new Promise((resolve) => server.close(resolve));
  }));

  test('the file of a socket that nobody listens at is taken over', () => withPortLab(async (lab) => {
    const path = lab.path('stale');
    const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(spawnSync(process.execPath, ['-e', program]).signal).toBe('SIGKILL');
    expect(existsSync(path)).toBe(true);
    await lab.attach('tap0', `vhost-user:${path}`);
    expect(await lab.state('tap0')).toBe('listening');
  }));
});
