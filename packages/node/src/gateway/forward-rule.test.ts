/**
 * forward-rule.test.ts — forwards as text: QEMU's and bhyve's forms, and what is wrong with others.
 */
import { expect, test } from 'vitest';
import { formatForwardRule, parseForwardRule, parseForwardRules } from './forward-rule.js';

test.each([
  ['tcp:127.0.0.1:8022-10.0.2.15:22', 'tcp', '127.0.0.1', 8022, '10.0.2.15', 22],
  ['udp:[::1]:5353-[fd00::15]:53', 'udp', '::1', 5353, 'fd00::15', 53],
  ['tcp::8080-10.0.2.15:80', 'tcp', '', 8080, '10.0.2.15', 80],
  ['tcp:0.0.0.0:1-[fd00::15]:65535', 'tcp', '0.0.0.0', 1, 'fd00::15', 65_535],
])('%s', (text, proto, address, port, guest, guestPort) => {
  const rule = parseForwardRule(text);
  expect(rule).toEqual({ proto, listen: { address, port }, to: { address: guest, port: guestPort } });
  expect(formatForwardRule(rule)).toBe(text);
  expect(parseForwardRule(`hostfwd=${text}`)).toEqual(rule);
});

test('several, as bhyve has them in one argument', () => {
  const text = 'hostfwd=tcp:127.0.0.1:8022-10.0.2.15:22;udp::53-10.0.2.15:53;';
  expect(parseForwardRules(text).map(formatForwardRule)).toEqual(['tcp:127.0.0.1:8022-10.0.2.15:22', 'udp::53-10.0.2.15:53']);
  expect(parseForwardRules('')).toEqual([]);
});

test.each([
  ['sctp:1.2.3.4:1-1.2.3.4:1', '"sctp" is neither tcp nor udp'],
  ['tcp:127.0.0.1:8022', 'there must be one "-" between the two ends'],
  ['tcp:127.0.0.1:8022-10.0.2.15:22-1', 'there must be one "-" between the two ends'],
  ['tcp:127.0.0.1-10.0.2.15:22', '"127.0.0.1" is not ADDRESS:PORT'],
  ['tcp:127.0.0.1:0-10.0.2.15:22', '0 is no port (1 to 65535)'],
  ['tcp:127.0.0.1:70000-10.0.2.15:22', '70000 is no port (1 to 65535)'],
  ['tcp:127.0.0.300:1-10.0.2.15:22', '"127.0.0.300" is no IPv4 address'],
  ['tcp:[fd00::g]:1-10.0.2.15:22', '"fd00::g" is no IPv6 address'],
  ['tcp:::1:1-10.0.2.15:22', '"::1:1" is not ADDRESS:PORT'],
  ['tcp:127.0.0.1:1-:22', 'the right end has no address'],
  ['tcp:127.0.0.1:1-[fe80::15%epair0b]:22', 'the right end, "fe80::15%epair0b", has a zone, and nothing is reached by its link'],
])('%s is refused', (text, why) => {
  expect(() => parseForwardRule(text)).toThrow(`"${text}" is no rule for a forward: ${why} (tcp|udp:[ADDRESS]:PORT-ADDRESS:PORT`);
});
