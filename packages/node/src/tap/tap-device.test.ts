/**
 * tap-device.test.ts — opening a TAP against a C library that answers as the kernel would, without root.
 */
import { describe, expect, test } from 'vitest';
import { E2BIG, EACCES, EBUSY, EINVAL, ENODEV, ENOENT, EPERM } from './libc.js';
import type { Libc } from './libc.js';
import { checkTapName, openTap, openTapQueues, setTapQueue } from './tap-device.js';
import type { TapOptions } from './tap-device.js';
import { TapError } from './tap-error.js';

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const SIOCGIFMTU = 0x8921;
const SIOCSIFMTU = 0x8922;

interface Fake extends Libc {
  /** Requests and value arguments seen, in order. */
  readonly calls: [request: number, value: number][];
  readonly openFds: Set<number>;
}

/** A kernel with one interface of MTU 1500 that is down. `failures` maps 'open' or an ioctl's number to the errno it fails with. */
function fakeLibc(failures: Map<string | number, number> = new Map()): Fake {
  const openFds = new Set<number>();
  const calls: [number, number][] = [];
  let errno = 0;
  let nextFd = 10;
  const fail = (what: string | number): boolean => {
    errno = failures.get(what) ?? 0;
    return errno !== 0;
  };
  const openFd = (what: string): number => {
    if (fail(what)) return -1;
    openFds.add(nextFd);
    return nextFd++;
  };
  const refuse = (): never => {
    throw new Error('not expected here');
  };
  return {
    calls,
    openFds,
    open: () => openFd('open'),
    socket: () => openFd('socket'),
    close: (fd) => (openFds.delete(fd) ? 0 : -1),
    ioctl(_fd, request, argument) {
      const view = new DataView(argument.buffer, argument.byteOffset);
      const value = argument.byteLength >= 20 ? view.getInt16(16, true) : view.getInt32(0, true);
      calls.push([request, value & 0xffff]);
      if (fail(request)) return -1;
      if (request === TUNSETIFF) new Uint8Array(argument.buffer).set(Buffer.from('tap7\0'));
      if (request === SIOCGIFMTU) view.setInt32(16, 1500, true);
      return 0;
    },
    ioctlValue(_fd, request, value) {
      calls.push([request, value]);
      return fail(request) ? -1 : 0;
    },
    errno: () => errno,
    strerror: (n) => `error ${n}`,
    bind: refuse, connect: refuse, sendto: refuse, watch: refuse,
    read: refuse, write: refuse, poll: refuse, eventfd: refuse, mapPages: refuse, unmapPages: refuse, discardPages: refuse, viewMemory: refuse, address: refuse,
  };
}

/** What opening throws when `what` fails with `errno`; no descriptor may be left. */
function failure(what: string | number, errno: number, options: Partial<TapOptions> = {}): TapError {
  const libc = fakeLibc(new Map([[what, errno]]));
  try {
    openTap({ name: 'vm0', ...options }, libc);
  } catch (error) {
    expect(libc.openFds.size).toBe(0);
    expect(error).toBeInstanceOf(TapError);
    return error as TapError;
  }
  throw new Error('openTap did not throw');
}

describe('openTap', () => {
  test('without permission says which two commands give it', () => {
    for (const [what, errno, code] of [['open', EACCES, 'EACCES'], ['open', EPERM, 'EPERM'], [TUNSETIFF, EPERM, 'EPERM']] as const) {
      const error = failure(what, errno);
      expect(error.code).toBe(code);
      expect(error.message).toContain('\n  sudo ip tuntap add dev vm0 mode tap user $USER\n  sudo ip link set vm0 up\n');
      expect(error.message).toContain('/dev/net/tun');
    }
    expect(failure(TUNSETIFF, EPERM, { name: 'tap%d' }).message).toContain('dev tap0 mode tap');
  });

  test('says what to do about a missing driver, a busy TAP and an interface of another kind', () => {
    expect(failure('open', ENOENT).message).toContain('sudo modprobe tun');
    expect(failure('open', ENODEV).message).toContain('sudo modprobe tun');
    expect(failure(TUNSETIFF, EBUSY)).toMatchObject({ code: 'EBUSY', message: expect.stringContaining('another program') as string });
    expect(failure(TUNSETIFF, EINVAL)).toMatchObject({ code: 'EINVAL', message: expect.stringContaining('not a TAP') as string });
  });

  test('leaves no descriptor behind, whichever step fails', () => {
    const all: TapOptions = { name: 'vm0', vnetHdr: true, mtu: 9000, up: true, persist: true };
    for (const step of ['open', TUNSETIFF, TUNSETVNETHDRSZ, TUNSETOFFLOAD, TUNSETPERSIST, 'socket', SIOCGIFMTU, SIOCSIFMTU, SIOCGIFFLAGS, SIOCSIFFLAGS]) {
      expect(failure(step, 12, all).errno, String(step)).toBe(12);
    }
  });

  test('a plain TAP: no headers, offloads off whatever the last user left on, nothing set that was not asked for', () => {
    const libc = fakeLibc();
    expect(openTap({ name: 'tap%d' }, libc)).toEqual({ fd: 10, name: 'tap7', mtu: 1500, vnetHdr: false });
    expect(libc.calls).toEqual([[TUNSETIFF, 0x1002], [TUNSETOFFLOAD, 0], [SIOCGIFMTU, 0]]);
    expect([...libc.openFds]).toEqual([10]);
  });

  test('virtio headers: ten bytes, TCP and UDP segments; only TCP on a kernel that knows no UDP segments', () => {
    const libc = fakeLibc();
    openTap({ name: 'vm0', vnetHdr: true }, libc);
    expect(libc.calls.slice(0, 2)).toEqual([[TUNSETIFF, 0x5002], [TUNSETVNETHDRSZ, 10]]);
    expect(libc.calls).toContainEqual([TUNSETOFFLOAD, 0x67]);

    const old = fakeLibc();
    old.ioctlValue = (_fd, request, value) => {
      old.calls.push([request, value]);
      return (value & 0x60) === 0 ? 0 : -1;
    };
    openTap({ name: 'vm0', vnetHdr: true }, old);
    expect(old.calls.filter(([request]) => request === TUNSETOFFLOAD).map(([, value]) => value)).toEqual([0x67, 0x07]);
  });

  test('sets MTU, UP and persistence when asked, and the MTU only when it differs', () => {
    const libc = fakeLibc();
    expect(openTap({ name: 'vm0', mtu: 9000, up: true, persist: false }, libc).mtu).toBe(9000);
    expect(libc.calls.slice(2)).toEqual([[TUNSETPERSIST, 0], [SIOCGIFMTU, 0], [SIOCSIFMTU, 9000], [SIOCGIFFLAGS, 0], [SIOCSIFFLAGS, 1]]);
    const same = fakeLibc();
    openTap({ name: 'vm0', mtu: 1500 }, same);
    expect(same.calls.map(([request]) => request)).not.toContain(SIOCSIFMTU);
    expect(failure(SIOCSIFMTU, EPERM, { mtu: 9000 }).message).toContain('sudo ip link set tap7 mtu 9000');
    expect(failure(SIOCSIFFLAGS, EPERM, { up: true }).message).toContain('sudo ip link set tap7 up');
  });

  test('several queues: a descriptor each, of the interface that the first one got, configured once', () => {
    const libc = fakeLibc();
    expect(openTapQueues({ name: 'tap%d', vnetHdr: true, persist: true, up: true }, 3, libc)).toEqual({ fds: [10, 11, 12], name: 'tap7', mtu: 1500, vnetHdr: true });
    expect(libc.calls.filter(([request]) => request === TUNSETIFF)).toEqual([[TUNSETIFF, 0x5102], [TUNSETIFF, 0x5102], [TUNSETIFF, 0x5102]]);
    expect(libc.calls.filter(([request]) => request === TUNSETVNETHDRSZ)).toHaveLength(3);
    expect(libc.calls.filter(([request]) => request === TUNSETPERSIST || request === SIOCSIFFLAGS)).toEqual([[TUNSETPERSIST, 1], [SIOCSIFFLAGS, 1]]);
    for (const queues of [0, 1.5, 257]) expect(() => openTapQueues({ name: 'vm0' }, queues, fakeLibc())).toThrow(RangeError);
  });

  test('an interface with one queue says what to do when it is asked for several, and nothing is left', () => {
    const libc = fakeLibc(new Map([[TUNSETIFF, EINVAL]]));
    expect(() => openTapQueues({ name: 'vm0' }, 2, libc)).toThrow(/made without them.*\n {2}sudo ip tuntap del dev vm0 mode tap\n {2}sudo ip tuntap add dev vm0 mode tap multi_queue user \$USER/s);
    expect(libc.openFds.size).toBe(0);
    let attaches = 0;
    const short = fakeLibc();
    const ioctl = short.ioctl.bind(short);
    short.ioctl = (fd, request, argument) => (request === TUNSETIFF && ++attaches === 3 ? -1 : ioctl(fd, request, argument));
    short.errno = () => E2BIG;
    expect(() => openTapQueues({ name: 'vm0' }, 4, short)).toThrow('all queues that it may have are taken');
    expect(short.openFds.size).toBe(0);
  });

  test('a queue is taken out and put in', () => {
    const libc = fakeLibc();
    setTapQueue(10, 'vm0', false, libc);
    setTapQueue(10, 'vm0', true, libc);
    expect(libc.calls).toEqual([[0x400454d9, 0x0400], [0x400454d9, 0x0200]]);
    expect(() => setTapQueue(10, 'vm0', true, fakeLibc(new Map([[0x400454d9, EINVAL]])))).toThrow(/TUNSETQUEUE/);
  });

  test('refuses an MTU no Ethernet interface can have', () => {
    for (const mtu of [0, 67, 65_522, 1500.5, NaN]) expect(() => openTap({ name: 'vm0', mtu }, fakeLibc())).toThrow(RangeError);
  });
});

describe('checkTapName', () => {
  test('takes what the kernel takes', () => {
    for (const name of ['t', 'tap0', 'exactly15bytes_', 'tap%d', 'vm-1.lan', 'ünï']) expect(() => checkTapName(name), name).not.toThrow();
  });
  test('refuses what the kernel refuses', () => {
    for (const name of ['', 'sixteen_bytes_ab', 'éééééééé', '.', '..', 'a/b', 'a:b', 'a b', 'a\tb', 'a\0b', '%', 'a%db%d', 'a%s']) {
      expect(() => checkTapName(name), name).toThrow(RangeError);
    }
  });
});
