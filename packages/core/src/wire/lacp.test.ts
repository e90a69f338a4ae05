/**
 * lacp.test.ts — PDUs of slow protocols: what is written is read, and what is no PDU is refused with its reason.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LACP_ACTOR, LACP_MAX_DELAY, LACP_PARTNER, LacpInfo, MARKER_TLV_INFO, MARKER_TLV_RESPONSE, SLOW_BAD_LEN, SLOW_BAD_TLV, SLOW_BAD_VERSION, SLOW_PDU_LEN, lacpCheck, lacpEmit,
  lacpReadInfo, markerAnswers, markerCheck, markerEmit,
} from './lacp.js';

const OFF = 3;
const u16 = fc.nat(0xffff);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const info = fc.record({ sysPrio: u16, sysHi: u16, sysLo: u32, key: u16, portPrio: u16, port: u16, state: fc.nat(255) }).map((r) => Object.assign(new LacpInfo(), r));
const page = (): DataView => new DataView(new ArrayBuffer(OFF + SLOW_PDU_LEN + 5));

describe('LACPDU', () => {
  it('reads what was written', () => {
    fc.assert(fc.property(info, info, u16, (actor, partner, delay) => {
      const view = page();
      lacpEmit(view, OFF, actor, partner, delay);
      expect(lacpCheck(view, OFF, SLOW_PDU_LEN)).toBe(0);
      const [a, p] = [new LacpInfo(), new LacpInfo()];
      lacpReadInfo(view, OFF + LACP_ACTOR, a);
      lacpReadInfo(view, OFF + LACP_PARTNER, p);
      expect([a, p, view.getUint16(OFF + LACP_MAX_DELAY)]).toEqual([actor, partner, delay]);
    }));
  });

  it('refuses other lengths, of the PDU and of each TLV; version and types may differ', () => {
    const view = page();
    lacpEmit(view, OFF, new LacpInfo(), new LacpInfo(), 0);
    expect([SLOW_PDU_LEN - 1, SLOW_PDU_LEN + 1, 0].map((n) => lacpCheck(view, OFF, n))).toEqual([SLOW_BAD_LEN, SLOW_BAD_LEN, SLOW_BAD_LEN]);
    const answers = Array.from({ length: 60 }, (_, at) => {
      const was = view.getUint8(OFF + at);
      view.setUint8(OFF + at, was ^ 1);
      const answer = lacpCheck(view, OFF, SLOW_PDU_LEN);
      view.setUint8(OFF + at, was);
      return answer === SLOW_BAD_TLV ? at : -1;
    });
    expect(answers.filter((at) => at >= 0)).toEqual([3, 23, 43, 59]);
  });

  it('tells systems and ports apart', () => {
    fc.assert(fc.property(info, fc.constantFrom('sysPrio', 'sysHi', 'sysLo', 'key', 'portPrio', 'port', 'state'), (a, field) => {
      const b = new LacpInfo();
      b.copy(a);
      b[field] ^= 1;
      expect([a.samePort(b), a.sameSystem(b)]).toEqual([field === 'state', !field.startsWith('sys')]);
    }));
  });
});

describe('marker', () => {
  it('answers itself, and no other', () => {
    fc.assert(fc.property(u16, u16, u32, u32, fc.constantFrom(MARKER_TLV_INFO, MARKER_TLV_RESPONSE), (port, hi, lo, xid, type) => {
      const view = page();
      markerEmit(view, OFF, type, port, hi, lo, xid);
      expect(markerCheck(view, OFF, SLOW_PDU_LEN)).toBe(0);
      expect(markerAnswers(view, OFF, port, hi, lo, xid)).toBe(true);
      expect([
        markerAnswers(view, OFF, port ^ 1, hi, lo, xid), markerAnswers(view, OFF, port, hi ^ 1, lo, xid), markerAnswers(view, OFF, port, hi, (lo ^ 1) >>> 0, xid),
        markerAnswers(view, OFF, port, hi, lo, (xid ^ 1) >>> 0),
      ]).toEqual([false, false, false, false]);
    }));
  });

  it.each([
    ['length', -1, 0, SLOW_BAD_LEN],
    ['version', 1, 2, SLOW_BAD_VERSION],
    ['type', 2, 3, SLOW_BAD_TLV],
    ['TLV length', 3, 15, SLOW_BAD_TLV],
    ['end', 18, 1, SLOW_BAD_TLV],
    ['length of the end', 19, 1, SLOW_BAD_TLV],
  ])('is refused for its %s', (_what, at, value, reason) => {
    const view = page();
    markerEmit(view, OFF, MARKER_TLV_INFO, 1, 2, 3, 4);
    if (at >= 0) view.setUint8(OFF + at, value);
    expect(markerCheck(view, OFF, at >= 0 ? SLOW_PDU_LEN : SLOW_PDU_LEN - 1)).toBe(reason);
  });
});
