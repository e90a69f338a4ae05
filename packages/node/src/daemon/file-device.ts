/**
 * file-device.ts — the words `file:IN.pcapng,record=OUT.pcapng,speed=2` that name capture files in a device's place.
 *
 * Read first: docs/cli.md, "Capture files as devices".
 *
 * Not here: the files themselves (file-link.ts).
 */
import { isAbsolute, resolve } from 'node:path';

const PREFIX = 'file:';
const SPEED_MAX = 1_000_000;

export interface FileDevice {
  /** Whose frames the interface receives; null: none. */
  readonly input: string | null;
  /** Where the frames that it sends are recorded; null: nowhere. */
  readonly record: string | null;
  /** How many times faster than they were captured; Infinity: as fast as they are taken. */
  readonly speed: number;
}

/** Do these words name files, rather than a device of the host? */
export function isFileDevice(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** What the words say, or one line that says what is wrong with them. Paths are as written: a comma cannot be in one. */
export function parseFileDevice(text: string): FileDevice | string {
  let input: string | null = null;
  let record: string | null = null;
  let speed = 1;
  for (const word of text.slice(PREFIX.length).split(',')) {
    const [, key, value = ''] = /^(record|speed)=(.*)$/.exec(word) ?? [];
    if (key === 'record' && value !== '' && record === null) record = value;
    else if (key === 'speed' && (value === 'max' || (Number(value) > 0 && Number(value) <= SPEED_MAX))) speed = value === 'max' ? Infinity : Number(value);
    else if (key === undefined && word !== '' && input === null) input = word;
    else return `"${word}" in "${text}" is not understood; write file:IN.pcapng[,record=OUT.pcapng][,speed=N], N a number above 0 or "max"`;
  }
  if (input === null && record === null) return `"${text}" names no file; write file:IN.pcapng[,record=OUT.pcapng][,speed=N]`;
  if (input !== null && record !== null && resolve(input) === resolve(record)) return `"${input}" cannot be replayed and recorded at a time; record to another file`;
  return { input, record, speed };
}

export function formatFileDevice({ input, record, speed }: FileDevice): string {
  const rate = speed === 1 ? [] : [`speed=${speed === Infinity ? 'max' : speed}`];
  return PREFIX + [...(input === null ? [] : [input]), ...(record === null ? [] : [`record=${record}`]), ...rate].join(',');
}

/** The same words with the paths made absolute from here, for a daemon that is somewhere else. Words that are wrong, or name a device, stay as they are. */
export function absoluteFileDevice(text: string): string {
  const device = isFileDevice(text) ? parseFileDevice(text) : '';
  if (typeof device === 'string') return text;
  return formatFileDevice({ ...device, input: device.input && resolve(device.input), record: device.record && resolve(device.record) });
}

/** The first path that a daemon, which runs anywhere, could not find; or null. */
export function relativePath({ input, record }: FileDevice): string | null {
  return [input, record].find((path) => path !== null && !isAbsolute(path)) ?? null;
}
