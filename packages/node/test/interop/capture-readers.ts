/**
 * capture-readers.ts — what other people's programs say of a capture file, for tests: tcpdump, tshark and capinfos.
 * Read first: tcpdump(8), tshark(1), capinfos(1).
 */
import { spawn } from 'node:child_process';
import { listen } from './test-daemon.js';
import type { RunResult } from './netns.js';

/** What they found in one file. */
export interface Readings {
  /** Packets that each counted. */
  readonly packets: { readonly tcpdump: number; readonly tshark: number; readonly capinfos: number };
  /** Everything they said on standard error that is not their usual greeting, and exit codes other than 0. Nothing when all is well. */
  readonly complaints: readonly string[];
  /** Packets that tshark cannot decode to their end, or finds an error in: their numbers and protocols. */
  readonly malformed: readonly string[];
  /** tcpdump's lines, without times and names. */
  readonly lines: readonly string[];
  /** capinfos' table by its words: 'File type', 'Data size', ... */
  readonly info: ReadonlyMap<string, string>;
}

/** Runs a program of this machine to its end. */
export function run(program: string, ...args: string[]): Promise<RunResult> {
  return listen(spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })).ended;
}

const GREETINGS = [/^reading from file .*, link-type \S+ \(.*\), snapshot length \d+$/, /^Running as user "root" and group "root"\. This could be dangerous\.$/];

function complaintsOf(program: string, { status, stderr }: RunResult): string[] {
  const lines = stderr.split('\n').filter((line) => line !== '' && !GREETINGS.some((greeting) => greeting.test(line)));
  return [...(status === 0 ? [] : [`${program}: exit ${status}`]), ...lines.map((line) => `${program}: ${line}`)];
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** Has all three read `path`, tshark with `options`. */
export async function readings(path: string, ...options: string[]): Promise<Readings> {
  const [tcpdump, tshark, capinfos] = await Promise.all([
    run('tcpdump', '-n', '-t', '-r', path),
    // One line per packet: its number, and what is wrong with it.
    run('tshark', '-n', '-r', path, ...options, '-T', 'fields', '-E', 'separator=;', '-e', 'frame.number', '-e', '_ws.malformed', '-e', '_ws.expert.severity', '-e', 'frame.protocols'),
    run('capinfos', '-M', path),
  ]);
  const info = new Map(linesOf(capinfos.stdout).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
  const rows = linesOf(tshark.stdout).map((line) => line.split(';'));
  const EXPERT_ERROR = 0x0080_0000;
  const malformed = rows.filter(([, broken, severities]) => broken !== '' || severities!.split(',').some((severity) => Number(severity) >= EXPERT_ERROR));
  const lines = linesOf(tcpdump.stdout);
  return {
    packets: { tcpdump: lines.length, tshark: rows.length, capinfos: Number(info.get('Number of packets')) },
    complaints: [...complaintsOf('tcpdump', tcpdump), ...complaintsOf('tshark', tshark), ...complaintsOf('capinfos', capinfos)],
    malformed: malformed.map((row) => row.join(';')),
    lines,
    info,
  };
}
