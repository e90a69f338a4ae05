/**
 * host-device.test.ts — the words that name a device of the host.
 */
import { expect, test } from 'vitest';
import { isPacketDevice, parseHostDevice } from './host-device.js';

test('a TAP, an interface that Linux has, and several queues of either', () => {
  expect(parseHostDevice('tap0')).toEqual({ name: 'tap0', isPacket: false, queues: 1 });
  expect(parseHostDevice('tap%d')).toEqual({ name: 'tap%d', isPacket: false, queues: 1 });
  expect(parseHostDevice('packet:eth0')).toEqual({ name: 'eth0', isPacket: true, queues: 1 });
  expect(parseHostDevice('tap0,queues=4')).toEqual({ name: 'tap0', isPacket: false, queues: 4 });
  expect(parseHostDevice('packet:eth0,queues=2')).toEqual({ name: 'eth0', isPacket: true, queues: 2 });
  expect([isPacketDevice('packet:eth0'), isPacketDevice('packet')]).toEqual([true, false]);
});

test('refuses what no interface is called', () => {
  expect(() => parseHostDevice('packet:')).toThrow('does not say which interface; write packet:eth0');
  expect(() => parseHostDevice('packet:,queues=2')).toThrow('does not say which interface');
  expect(() => parseHostDevice('a name too long for it')).toThrow("interface name 'a name too long for it' has 22 bytes");
  expect(() => parseHostDevice('tap0,queues=x')).toThrow('"tap0,queues=x": behind a name');
  expect(() => parseHostDevice('packet:eth0,queues=2,queues=2')).toThrow('behind a name');
  expect(() => parseHostDevice('packet:eth0:1')).toThrow('colon');
});
