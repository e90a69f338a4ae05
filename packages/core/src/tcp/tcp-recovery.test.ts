/**
 * tcp-recovery.test.ts — losses, one by one and many: what is sent again, when, and how often.
 */
import { describe, expect, it } from 'vitest';
import { Pair } from '../sim/tcp-pair.js';

const MSS = 1448;
const C = ['sndrexmitpack', 'sndrexmitbad', 'rexmttimeo', 'tlpprobes', 'sack_recovery_episode', 'dsack_count'];

describe('scratch', () => {
  for (const sack of [1, 0]) for (const rack of [1, 0]) for (const nth of [0, 5, 30, 69]) {
    it(`one loss ${nth} sack ${sack} rack ${rack}`, () => {
      const p = new Pair({ sysctl: { tso: 0, 'sack.enable': sack, 'rack.enable': rack } }).connect();
      p.data = (s) => (s.nth === nth ? 'drop' : 'pass');
      const us = p.transfer(100_000);
      console.log(`nth ${nth} sack ${sack} rack ${rack}`, us, p.trace.filter((t) => t.includes('*')).join(' '), JSON.stringify(p.counters(...C)), p.client.tp.cwnd, p.client.tp.ssthresh);
    });
  }
});
