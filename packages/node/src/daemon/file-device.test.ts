/**
 * file-device.test.ts — the words that name capture files in a device's place.
 */
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { absoluteFileDevice, formatFileDevice, isFileDevice, parseFileDevice, relativePath } from './file-device.js';
import type { FileDevice } from './file-device.js';

test.each<[string, FileDevice]>([
  ['file:/a/in.pcapng', { input: '/a/in.pcapng', record: null, speed: 1 }],
  ['file:in.pcap,record=/b/out.pcapng', { input: 'in.pcap', record: '/b/out.pcapng', speed: 1 }],
  ['file:record=/b/out.pcapng', { input: null, record: '/b/out.pcapng', speed: 1 }],
  ['file:/a/in.pcapng,speed=2.5', { input: '/a/in.pcapng', record: null, speed: 2.5 }],
  ['file:/a=b/in.pcapng,record=/o,speed=max', { input: '/a=b/in.pcapng', record: '/o', speed: Infinity }],
])('%s', (text, device) => {
  expect(isFileDevice(text)).toBe(true);
  expect(parseFileDevice(text)).toEqual(device);
  expect(formatFileDevice(device)).toBe(text);
});

test('the order does not matter', () => {
  expect(parseFileDevice('file:speed=max,record=/o,/i')).toEqual({ input: '/i', record: '/o', speed: Infinity });
});

describe('what is wrong is named', () => {
  const form = 'write file:IN.pcapng[,record=OUT.pcapng][,speed=N]';
  test.each([
    ['file:', `"" in "file:" is not understood; ${form}, N a number above 0 or "max"`],
    ['file:speed=2', `"file:speed=2" names no file; ${form}`],
    ['file:/a,/b', `"/b" in "file:/a,/b" is not understood; ${form}, N a number above 0 or "max"`],
    ['file:/a,record=', `"record=" in "file:/a,record=" is not understood; ${form}, N a number above 0 or "max"`],
    ['file:record=/a,record=/b', `"record=/b" in "file:record=/a,record=/b" is not understood; ${form}, N a number above 0 or "max"`],
    ['file:/a,record=/x/../a', '"/a" cannot be replayed and recorded at a time; record to another file'],
    ...['0', '-1', 'fast', '1e9', 'NaN', 'Infinity', ''].map((speed) => [`file:/a,speed=${speed}`, `"speed=${speed}" in "file:/a,speed=${speed}" is not understood; ${form}, N a number above 0 or "max"`]),
  ])('%s', (text, message) => {
    expect(parseFileDevice(text!)).toBe(message);
  });
});

test('paths are made absolute for a daemon that is elsewhere; other words stay', () => {
  expect(absoluteFileDevice('file:in.pcapng,record=/o,speed=3')).toBe(`file:${resolve('in.pcapng')},record=/o,speed=3`);
  expect(absoluteFileDevice('file:record=o')).toBe(`file:record=${resolve('o')}`);
  expect(absoluteFileDevice('file:a,b')).toBe('file:a,b');
  expect(absoluteFileDevice('tap0')).toBe('tap0');
  expect(isFileDevice('tap0')).toBe(false);
  expect(relativePath({ input: '/a', record: 'b', speed: 1 })).toBe('b');
  expect(relativePath({ input: '/a', record: null, speed: 1 })).toBeNull();
});
