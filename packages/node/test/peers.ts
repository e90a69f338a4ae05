/**
 * peers.ts — tests against what a machine may lack: root, TAP devices, network namespaces, other people's programs.
 *
 * `peer('root', 'tun', 'ping')('Linux pings a vnet', async () => { ... })` registers a test that runs where all its needs are met. Elsewhere it
 * is skipped and its name says why; with NETLOOM_REQUIRE_PEERS=1 (the build machine) it fails instead, so that a machine
 * without peers cannot pass for one that tested with them. A need that is not one of the words below is a program looked for in PATH.
 *
 * Not here: what the tests do with their peers.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'vitest';
import type { TestOptions } from 'vitest';
import { IoUring } from '../src/native/io-uring.js';
import { guestKernel } from './interop/guest/guest-kernel.js';
import { programPath } from './program-path.js';

/**
 * `root`: user 0. `tun`: /dev/net/tun opens. `netns`: this process may create network namespaces. `vxlan-device`, `bridge-device`, `ifb-device`: the kernel makes them.
 * `bonding`: a kernel package with the bonding driver, to boot a guest from. `guest`: all that interop/guest/guest.ts needs. `v86`: that npm package. Anything else: a program.
 */
export type Need = 'root' | 'tun' | 'netns' | 'vxlan-device' | 'bridge-device' | 'ifb-device' | 'bonding' | 'guest' | 'v86' | (string & {});

type Body = () => void | Promise<void>;

function lacksTun(): string | null {
  try {
    closeSync(openSync('/dev/net/tun', 'r+'));
    return null;
  } catch (error) {
    return `/dev/net/tun: ${(error as NodeJS.ErrnoException).code ?? 'cannot be opened'}`;
  }
}

function lacksNetns(): string | null {
  const made = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' });
  if (made.status === 0) return null;
  return `no network namespaces (${(made.error?.message ?? made.stderr).trim() || 'unshare failed'})`;
}

/** Does the kernel make devices of that type? No test can load a module into it. */
function lacksDevice(type: string, ...options: string[]): string | null {
  const made = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'd0', 'type', type, ...options], { encoding: 'utf8' });
  return made.status === 0 ? null : `no ${type} devices (${(made.error?.message ?? made.stderr).trim() || 'ip failed'})`;
}

function lacksGuest(): string | null {
  const programs = ['qemu-system-x86_64', 'busybox', 'ldd'].filter((name) => programPath(name) === null).map((name) => `no program ${name}`);
  const kernel = guestKernel('virtio_net') === null ? ['no kernel package to boot a guest from (linux-image-cloud-amd64)'] : [];
  return [...programs, ...kernel].join(', ') || null;
}

/** Is a package of npm there that is not ours to require? */
function lacksPackage(name: string): string | null {
  try {
    createRequire(import.meta.url).resolve(name);
    return null;
  } catch {
    return `no npm package ${name}`;
  }
}

/** Why this machine has no io_uring, or null: tests of it run where it is, and tests of whoever chooses run everywhere. */
export function lackingUring(): string | null {
  if (process.platform !== 'linux') return 'this needs Linux';
  try {
    new IoUring(4, 8).destroy();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function lack(need: Need): string | null {
  switch (need) {
    case 'root':
      return process.getuid?.() === 0 ? null : 'not root';
    case 'tun':
      return lacksTun();
    case 'netns':
      return lacksNetns();
    case 'v86':
      return lacksPackage('v86');
    case 'bonding':
      return guestKernel('bonding') === null ? 'no kernel package with bonding (linux-image-cloud-amd64)' : null;
    case 'guest':
      return lacksGuest();
    case 'vxlan-device':
      return lacksDevice('vxlan', 'id', '1', 'dstport', '4789');
    case 'bridge-device':
      return lacksDevice('bridge');
    case 'ifb-device':
      return lacksDevice('ifb');
    default:
      return programPath(need) === null ? `no program ${need}` : null;
  }
}

/** What this machine lacks of `needs`, as one phrase, or null when it lacks nothing. */
export function lacking(...needs: readonly Need[]): string | null {
  const reasons = needs.flatMap((need) => lack(need) ?? []);
  return reasons.length === 0 ? null : reasons.join(', ');
}

/** Does a missing peer fail the run instead of skipping the test? */
export function peersRequired(env: NodeJS.ProcessEnv = process.env): boolean {
  return env['NETLOOM_REQUIRE_PEERS'] === '1';
}

function missingPeer(reason: string): Error {
  return new Error(`NETLOOM_REQUIRE_PEERS=1, and this machine lacks a peer: ${reason}`);
}

/** A kernel and foreign programs on a busy machine may lose a packet or a second; what is wrong here fails again. */
const PEER_RETRIES = 2;

/**
 * A `test` for machines that have all of `needs`.
 * @returns a function that registers one test: `(name, body)` or `(name, options, body)`
 */
export function peer(...needs: readonly Need[]): (name: string, ...rest: [Body] | [TestOptions, Body]) => void {
  const reason = lacking(...needs);
  return (name, ...rest) => {
    const [options, body]: [TestOptions, Body] = rest.length === 1 ? [{}, rest[0]] : rest;
    if (reason === null) test(name, { retry: PEER_RETRIES, ...options }, body);
    else if (peersRequired()) {
      test(name, () => {
        throw missingPeer(reason);
      });
    } else test.skip(`${name} [${reason}]`, options, body);
  };
}

/** A `describe` for machines that have all of `needs`; its body is not run elsewhere. */
export function peerSuite(...needs: readonly Need[]): (name: string, body: () => void) => void {
  const reason = lacking(...needs);
  return (name, body) => {
    if (reason === null) describe(name, body);
    else peer(...needs)(name, () => undefined);
  };
}
