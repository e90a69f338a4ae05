/**
 * iperf3.test.ts — iperf3's amounts, its command line, its parameters.
 */
import { describe, expect, test } from 'vitest';
import { fromParameters, IperfSettings, toParameters } from './iperf-settings.js';
import { parseRate, parseSize, percentText, rateText, sizeText } from './iperf-units.js';

describe('amounts', () => {
  test.each([
    ['128K', 131_072, 128_000], ['1.5m', 1_572_864, 1_500_000], ['10', 10, 10], ['2G', 2_147_483_648, 2_000_000_000], ['1T', 1_099_511_627_776, 1_000_000_000_000],
    ['x', null, null], ['10Q', null, null], ['', null, null],
  ])('%s', (text, size, rate) => {
    expect([parseSize(text), parseRate(text)]).toEqual([size, rate]);
  });

  test.each([
    [0, '0.00 Byte'], [131_072, ' 128 KByte'], [1_073_741_824, '1.00 GByte'], [1_047_527_424, ' 999 MByte'], [10_240, '10.0 KByte'], [1_023, '1023 Byte'],
  ])('%d bytes', (bytes, text) => {
    expect(sizeText(bytes)).toBe(text);
  });

  test.each([
    [131_072, 'a', '1.05 Mbit'], [131_072, 'k', '1049 Kbit'], [131_072, 'K', ' 128 KByte'], [262_144, 'M', '0.25 MByte'], [125_000_000, 'g', '1.00 Gbit'], [12.5, 'a', ' 100 bit'],
  ])('%d bytes per second in %s', (rate, format, text) => {
    expect(rateText(rate, format)).toBe(text);
  });

  test.each([[0, '0'], [100, '1e+02'], [12.34, '12'], [0.5, '0.5'], [0.012345, '0.012'], [0.000_012, '1.2e-05'], [99.9, '1e+02']])('%d per cent', (n, text) => {
    expect(percentText(n)).toBe(text);
  });
});

describe('parameters', () => {
  test('a server makes of them what the client meant', () => {
    const s = Object.assign(new IperfSettings(), {
      udp: true, omit: 1, duration: 5, parallel: 4, reverse: true, window: 65_536, blksize: 1_400, rate: 10_000_000, burst: 3, tos: 0xb8, title: 'a title', getServerOutput: true,
      udpCounters64: true, dontFragment: true, repeatingPayload: true, extraData: 'x', congestion: 'cubic', mss: 1_000, noDelay: true,
    });
    expect(fromParameters(JSON.parse(JSON.stringify(toParameters(s))))).toEqual(s);
  });

  test.each([[null], [[]], ['tcp'], [{}], [{ tcp: true, len: 2_000_000 }], [{ udp: true, len: 8 }], [{ tcp: true, len: '128K' }]])('%j is no test', (json) => {
    expect(fromParameters(json)).toBeNull();
  });

  test('numbers out of bounds are not taken', () => {
    expect(fromParameters({ tcp: true, len: 1_000, parallel: 1e9, time: -5, window: 1e18, TOS: 999, pacing_timer: 0 })).toMatchObject({
      parallel: 1, duration: 0, window: 0, tos: 0, pacingTimerUs: 1_000,
    });
  });
});
