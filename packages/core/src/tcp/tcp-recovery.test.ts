import { describe, expect, it } from 'vitest';
import { Pair } from './test-pair.js';

const MSS = 1448;

describe('scratch', () => {
  it('no loss', () => {
    const p = new Pair().connect();
    const us = p.transfer(1_000_000);
    console.log(us, p.trace.length, p.counters('sndrexmitpack', 'rexmttimeo', 'tlpprobes', 'sndpack', 'sack_recovery_episode'), p.client.info());
  });
  it('one loss', () => {
    const p = new Pair().connect();
    p.data = (s) => (s.nth === 5 ? 'drop' : 'pass');
    const us = p.transfer(100_000);
    console.log(us, p.trace, p.counters('sndrexmitpack', 'rexmttimeo', 'tlpprobes', 'sndpack', 'sack_recovery_episode'));
  });
});
