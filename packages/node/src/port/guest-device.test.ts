/**
 * guest-device.test.ts — the words that name a guest's port in a device's place.
 */
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { absoluteGuestDevice, formatGuestDevice, isGuestDevice, parseGuestDevice, relativeGuestPath } from './guest-device.js';
import type { GuestDevice } from './guest-device.js';

test.each<[string, GuestDevice]>([
  ['stream:unix:/run/vm0', { kind: 'stream', address: { path: '/run/vm0' }, server: false }],
  ['stream:unix:/run/a:b,server', { kind: 'stream', address: { path: '/run/a:b' }, server: true }],
  ['stream:tcp:vmhost:4000', { kind: 'stream', address: { host: 'vmhost', port: 4000 }, server: false }],
  ['stream:tcp:[::1]:4000,server', { kind: 'stream', address: { host: '::1', port: 4000 }, server: true }],
  ['dgram:udp:127.0.0.1:5001,[fe80::1%eth0]:5002', { kind: 'udp', local: { host: '127.0.0.1', port: 5001 }, remote: { host: 'fe80::1%eth0', port: 5002 } }],
  ['dgram:unix:/run/ours,/run/theirs', { kind: 'unix-dgram', local: '/run/ours', remote: '/run/theirs' }],
  ['vde:/run/switch', { kind: 'vde', path: '/run/switch' }],
  ['vhost-user:/run/vm0', { kind: 'vhost-user', path: '/run/vm0', client: false, unsealed: false }],
  ['vhost-user:/run/vm0,client,unsealed', { kind: 'vhost-user', path: '/run/vm0', client: true, unsealed: true }],
])('%s', (text, device) => {
  expect(isGuestDevice(text)).toBe(true);
  expect(parseGuestDevice(text)).toEqual(device);
  expect(formatGuestDevice(device)).toBe(text);
});

describe('what is wrong is named', () => {
  const stream = 'write stream:unix:/PATH[,server] or stream:tcp:HOST:PORT[,server]';
  const dgram = 'write dgram:udp:LOCALHOST:PORT,REMOTEHOST:PORT or dgram:unix:/LOCAL,/REMOTE';
  test.each([
    ['stream:', `"stream:" does not say whether it is "unix" or "tcp"; ${stream}`],
    ['stream:unix:', `"stream:unix:" names no path; ${stream}`],
    ['stream:unix:/a,client', `"stream:unix:/a,client" has the option "client", which there is not; ${stream}`],
    ['stream:unix:/a,server,server', `"stream:unix:/a,server,server" says "server" twice; ${stream}`],
    ['stream:tcp:4000', `"stream:tcp:4000" has "4000" where HOST:PORT is wanted (an IPv6 address in brackets, [::1]:5000); ${stream}`],
    ['stream:tcp:::1:4000', `"stream:tcp:::1:4000" has "::1:4000" where HOST:PORT is wanted (an IPv6 address in brackets, [::1]:5000); ${stream}`],
    ['stream:tcp:h:0', `"stream:tcp:h:0" has the port 0, which is not between 1 and 65535; ${stream}`],
    ['stream:tcp:h:65536', `"stream:tcp:h:65536" has the port 65536, which is not between 1 and 65535; ${stream}`],
    ['dgram:127.0.0.1:1,127.0.0.1:2', `"dgram:127.0.0.1:1,127.0.0.1:2" does not say whether it is "udp" or "unix"; ${dgram}`],
    ['dgram:udp:127.0.0.1:1', `"dgram:udp:127.0.0.1:1" does not name two ends, ours and the guest's; ${dgram}`],
    ['dgram:udp:127.0.0.1:1,x', `"dgram:udp:127.0.0.1:1,x" has "x" where HOST:PORT is wanted (an IPv6 address in brackets, [::1]:5000); ${dgram}`],
    ['dgram:unix:/a,/a', `"dgram:unix:/a,/a" names one path twice; ${dgram}`],
    ['vhost-user:', '"vhost-user:" names no path; write vhost-user:/PATH[,client][,unsealed]'],
    ['vhost-user:/a,server', '"vhost-user:/a,server" has the option "server", which there is not; write vhost-user:/PATH[,client][,unsealed]'],
    ['vhost-user:/a,client,client', '"vhost-user:/a,client,client" says "client" twice; write vhost-user:/PATH[,client][,unsealed]'],
    ['vde:', '"vde:" names no folder; write vde:/PATH, the folder of a vde_switch'],
    ['vde:/a,1', '"vde:/a,1" has options, which there are none of; write vde:/PATH, the folder of a vde_switch'],
  ])('%s', (text, message) => {
    expect(parseGuestDevice(text!)).toBe(message);
  });
});

test('paths are made absolute for a daemon that is elsewhere; other words stay', () => {
  expect(absoluteGuestDevice('stream:unix:vm0,server')).toBe(`stream:unix:${resolve('vm0')},server`);
  expect(absoluteGuestDevice('dgram:unix:a,/b')).toBe(`dgram:unix:${resolve('a')},/b`);
  expect(absoluteGuestDevice('vde:sw')).toBe(`vde:${resolve('sw')}`);
  expect(absoluteGuestDevice('vhost-user:vm0,client')).toBe(`vhost-user:${resolve('vm0')},client`);
  for (const text of ['stream:tcp:h:1', 'dgram:udp:h:1,h:2', 'stream:unix:', 'tap0', 'file:a', 'stream']) expect(absoluteGuestDevice(text)).toBe(text);
  expect([isGuestDevice('stream'), isGuestDevice('tap0'), isGuestDevice('file:a')]).toEqual([false, false, false]);
  expect(relativeGuestPath({ kind: 'unix-dgram', local: '/a', remote: 'b' })).toBe('b');
  expect(relativeGuestPath({ kind: 'udp', local: { host: 'h', port: 1 }, remote: { host: 'h', port: 2 } })).toBeNull();
});
