/**
 * journal.mjs — the counter's journal on the disk that the last survivor left: does it hold all that anybody was told, and nothing else?
 * Read first: counter.pl (a block of 512 bytes for each value, from block 1 on), judge.mjs.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** @typedef {{ records: number, acknowledged: number, problems: string[] }} JournalReport */

const BLOCK = 512;
/** Blocks behind the journal's end that must be empty: what a machine wrote that is no more would be there. */
const BEYOND = 4096;

/**
 * @param {(value: number) => string} record what block `value` holds, without what is behind its text; '' for nothing
 * @param {ReadonlyMap<number, string>} given values that somebody outside was given, and who
 * @returns {JournalReport}
 */
export function checkJournal(record, given) {
  const problems = [];
  let records = 0;
  for (let text = record(1); text !== ''; text = record(records + 1)) {
    records++;
    const [value, id] = text.split(' ');
    const who = given.get(records);
    if (value !== String(records) || id === undefined) problems.push(`block ${records} has "${text}"`);
    else if (who !== undefined && who !== id) problems.push(`value ${records} was given to ${who}, and the disk says ${id}`);
  }
  const lost = [...given.keys()].filter((value) => value > records);
  if (lost.length > 0) problems.push(`${lost.length} values were given that are not on the disk, ${lost[0]} the first; its last is ${records}`);
  for (let value = records + 1; value <= records + BEYOND; value++) if (record(value) !== '') problems.push(`block ${value} has "${record(value)}", and the journal ends with ${records}`);
  return { records, acknowledged: given.size, problems };
}

/** The same of a disk's image. @param {string} path @param {ReadonlyMap<number, string>} given */
export function checkJournalFile(path, given) {
  const fd = openSync(path, 'r');
  try {
    const block = Buffer.alloc(BLOCK);
    const { size } = fstatSync(fd);
    return checkJournal((value) => {
      const at = value * BLOCK;
      if (at + BLOCK > size || readSync(fd, block, 0, BLOCK, at) !== BLOCK) return '';
      return block.toString('latin1').replace(/\n?\0*$/, '');
    }, given);
  } finally {
    closeSync(fd);
  }
}
