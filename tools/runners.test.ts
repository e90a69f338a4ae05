/**
 * runners.test.ts — the fuzzer, the simulator's runner and the benchmark's arithmetic, with entries that fail on purpose; `npm start`'s parent.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { measure, rowText } from '../bench/main.mjs';
import { median } from '../bench/median.mjs';
import { plot } from '../bench/plot.mjs';
import { reportOf } from '../bench/report.mjs';
import { loadEntries, pickEntries } from '../scripts/entries.mjs';
import { fuzz, makeInput, numbers } from '../scripts/fuzz.mjs';
import { simulate } from '../scripts/sim.mjs';
import { durationMs, soak } from '../scripts/soak.mjs';

describe('fuzz', () => {
  const corpus = [Uint8Array.from({ length: 64 }, (_, i) => i)];
  const quiet = { name: 'quiet', corpus, run: (): void => undefined };

  test('input i depends on the seed, the name and i only', () => {
    const scratch = new Uint8Array(2048);
    const input = (name: string, seed: number, i: number): string => Buffer.from(makeInput({ ...quiet, name }, seed, i, scratch)).toString('hex');
    expect(input('a', 1, 500)).toBe(input('a', 1, 500));
    const others = [input('a', 2, 500), input('b', 1, 500), input('a', 1, 501)];
    expect(others).not.toContain(input('a', 1, 500));
  });

  test('inputs differ in length and content, and some are valid', () => {
    const scratch = new Uint8Array(2048);
    const seen = new Set<string>();
    const lengths = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      const input = makeInput(quiet, 7, i, scratch);
      lengths.add(input.length);
      seen.add(Buffer.from(input).toString('hex'));
    }
    expect(lengths.size).toBeGreaterThan(50);
    expect(seen.size).toBeGreaterThan(500);
    expect(seen).toContain(Buffer.from(corpus[0] ?? []).toString('hex'));
  });

  test('a throw is reported with the command that repeats it, and the command does', () => {
    const target = {
      ...quiet,
      run: (bytes: Uint8Array): void => {
        if (bytes.length === 3) throw new RangeError('three');
      },
    };
    const problem = fuzz(target, 3, 0, 20_000) ?? '';
    expect(problem).toMatch(/^input \d+: RangeError: three/);
    const [, seed, from] = /--seed (\d+) --from (\d+) --frames 1$/.exec(problem) ?? [];
    expect(fuzz(target, Number(seed), Number(from), 1)).toContain('three');
  });

  test('an account that does not come back is reported', () => {
    let out = 0;
    const leaky = { ...quiet, run: (): void => void out++, balance: (): unknown => ({ out }) };
    expect(fuzz(leaky, 1, 0, 10)).toContain('{"out":0} before, {"out":10} after');
  });

  test('a heap that grows is reported', () => {
    const kept: Uint8Array[] = [];
    const hoarder = { ...quiet, run: (): void => void kept.push(new Uint8Array(512)) };
    expect(fuzz(hoarder, 1, 0, 100_000)).toMatch(/^the heap grew by \d+ bytes$/);
    expect(fuzz(quiet, 1, 0, 100_000)).toBeNull();
  });

  test('the generator spreads', () => {
    const next = numbers(1);
    const counts = new Array<number>(16).fill(0);
    for (let i = 0; i < 16_000; i++) {
      const slot = next() % 16;
      counts[slot] = (counts[slot] ?? 0) + 1;
    }
    for (const count of counts) expect(count).toBeGreaterThan(800);
  });
});

describe('sim', () => {
  test('a scenario sees each seed once, and the failing one is named', () => {
    const seeds: number[] = [];
    const run = (seed: number): string => {
      seeds.push(seed);
      if (seed === 12) throw new Error('lost');
      return `seed ${seed}`;
    };
    expect(simulate({ name: 'x', run }, 8, 3)).toEqual({ problem: null, line: 'seed 10' });
    expect(seeds).toEqual([8, 9, 10]);
    expect(simulate({ name: 'x', run }, 11, 9).problem).toMatch(/lost[^]*--seed 12 --runs 1$/);
  });
});

describe('bench', () => {
  test('median', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([5])]).toEqual([2, 2.5, 5]);
  });

  test('a plot has a bar as long as its value, for ours and for the peer, and none for what was not measured', () => {
    const machine = { cpu: 'C<PU', cpus: 2, node: 'v0', os: 'x' };
    const svg = plot({ machine, rows: [
      { name: 'a', value: 2, unit: 'Mpps', peer: { name: 'C', value: 4 }, ratio: 0.5 },
      { name: 'b', value: null, unit: 'Mpps', peer: null, ratio: null, note: 'no' },
      { name: 'c', value: 1, unit: 'percent', peer: null, ratio: null },
    ] });
    const [ours = 0, peer = 0, alone] = [...svg.matchAll(/width="(\d+)" height="13"/g)].map((m) => Number(m[1]));
    expect([ours * 2, alone]).toEqual([peer, peer]);
    expect(svg).toContain('C&lt;PU');
    expect(svg).not.toContain('>b<');
  });

  test('a report is read with the lines that npm puts before it, and nothing else is', () => {
    const rows = '{\n  "machine": {},\n  "rows": []\n}\n';
    expect(reportOf(`\n> workspace@0.1.0 bench\n> node bench/main.mjs a {b} --json\n\n${rows}`)).toEqual({ machine: {}, rows: [] });
    expect(() => reportOf('  ok  build\n')).toThrow('npm run --silent bench');
  });

  test('ours and the peer alternate, and the first round is not reported', async () => {
    const order: string[] = [];
    const values = { ours: [100, 1, 2, 3], peer: [100, 4, 4, 4] };
    const row = await measure(
      {
        name: 'x',
        unit: 'us',
        measure: () => (order.push('ours'), values.ours.shift() ?? NaN),
        peer: { name: 'C', measure: () => (order.push('peer'), values.peer.shift() ?? NaN) },
      },
      3,
    );
    expect(order.join(' ')).toBe('ours peer ours peer ours peer ours peer');
    expect(row).toEqual({ name: 'x', value: 2, unit: 'us', peer: { name: 'C', value: 4 }, ratio: 0.5 });
  });

  test('a peer that the machine lacks is said, not guessed', async () => {
    const row = await measure({ name: 'x', unit: 'us', measure: () => 1, peer: { name: 'C', measure: () => 1, lacking: () => 'no gcc' } }, 1);
    expect(row).toEqual({ name: 'x', value: 1, unit: 'us', peer: null, ratio: null, note: 'no gcc' });
  });

  test('a benchmark that the machine cannot run is not run, and says why', async () => {
    const run = (): number => {
      throw new Error('run all the same');
    };
    const row = await measure({ name: 'x', unit: 'us', measure: run, lacking: () => 'not root', peer: { name: 'C', measure: run } }, 1);
    expect(row).toEqual({ name: 'x', value: null, unit: 'us', peer: null, ratio: null, note: 'not root' });
  });
});

test('a line of the benchmarks has at least two digits that say something, and units', () => {
  const row = { name: 'a/b', value: 12.345, unit: 'us', peer: { name: 'Linux', value: 6_789.4 }, ratio: 0.0018183 };
  expect(rowText(row, { name: 5, unit: 4 })).toBe('a/b         12.3 us    Linux: 6789 us, ratio 0.0018');
  expect(rowText({ ...row, value: 1234.5, ratio: 1.7777 }, { name: 3, unit: 2 })).toBe('a/b       1235 us  Linux: 6789 us, ratio 1.78');
  expect(rowText({ ...row, value: null, peer: null, ratio: null, note: 'not root' }, { name: 3, unit: 2 })).toBe('a/b          - us  not root');
});

describe('entries', () => {
  test('all files of the kind together, sorted; names pick by their beginning', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'netloom-entries-'));
    writeFileSync(join(dir, 'b.sim.mjs'), "export const list = [{ name: 'ip/b' }, { name: 'arp/a' }];");
    writeFileSync(join(dir, 'a.sim.mjs'), "export const list = [{ name: 'ip/a' }];");
    writeFileSync(join(dir, 'other.mjs'), "throw new Error('not of the kind');");
    const entries = await loadEntries(dir, 'sim', 'list');
    rmSync(dir, { recursive: true });
    expect(entries.map(({ name }) => name)).toEqual(['arp/a', 'ip/a', 'ip/b']);
    expect(pickEntries('sim', entries, ['ip/']).map(({ name }) => name)).toEqual(['ip/a', 'ip/b']);
    expect(pickEntries('sim', entries, [])).toHaveLength(3);
    expect(await loadEntries(join(dir, 'gone'), 'sim', 'list')).toEqual([]);
  });
});

describe('soak', () => {
  const quiet = { step: (): void => undefined, end: (): void => undefined, summary: '' };

  test('a duration is a number with a unit', () => {
    expect([durationMs('90s'), durationMs('30m'), durationMs('8h')]).toEqual([90_000, 1_800_000, 28_800_000]);
    for (const text of ['', '5', 's', '1d', '-1s', '1.5h']) expect(durationMs(text)).toBeNaN();
  });

  test('ends after a whole round', () => {
    const seen: number[] = [];
    expect(soak(quiet, (ops) => ops >= 25, (ops) => seen.push(ops), 10)).toBeNull();
    expect(seen).toEqual([10, 20, 30]);
  });

  test('what does not hold is reported, during a round and at its end', () => {
    const failing = (what: string) => (): void => {
      throw new Error(what);
    };
    expect(soak({ ...quiet, step: failing('a name twice') }, () => true, undefined, 10)).toContain('a name twice');
    expect(soak({ ...quiet, end: failing('3 packets left') }, () => true, undefined, 10)).toContain('3 packets left');
  });

  test('a heap that grows is reported', () => {
    const kept: Uint8Array[] = [];
    const hoarder = { ...quiet, end: (): void => void kept.push(new Uint8Array(3 << 20)) };
    expect(soak(hoarder, (ops) => ops >= 200, undefined, 10)).toMatch(/^the heap has grown/);
  });
});

test('a script notices that the shell which started it is gone', async () => {
  const parentModule = JSON.stringify(pathToFileURL(join(import.meta.dirname, '../scripts/parent.mjs')).href);
  // Should it notice nothing, it ends all the same.
  const script = `import { whenParentIsGone } from ${parentModule};
    setTimeout(() => process.exit(1), 4_000);
    whenParentIsGone(process.ppid, () => { console.log('gone'); process.exit(0); }, 5);
    console.log('waiting');`;
  const shell = spawn('sh', ['-c', `"$0" --input-type=module -e "$1"; :`, process.execPath, script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
  expect(await lines.next()).toEqual({ done: false, value: 'waiting' });
  shell.kill('SIGKILL');
  await once(shell, 'exit');
  expect(await lines.next()).toEqual({ done: false, value: 'gone' });
});
