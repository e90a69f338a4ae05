/**
 * resident-peer.mjs — a peer that stays: a program that reads a question from each line and answers it with a line, so that tables are made once and repetitions can be short.
 * Read first: c-peer.mjs.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { joinsUs, leavesUs } from './one-processor.mjs';

/** Starts `program`; answers how to ask it. It ends with this process. @param {string} program @param {readonly string[]} args @returns {(question: string) => Promise<string>} */
export function residentPeer(program, args) {
  const child = spawn(program, [...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { pid } = child;
  if (pid !== undefined) {
    joinsUs(pid);
    child.once('exit', () => leavesUs(pid));
  }
  // It is no reason for this process to stay.
  child.unref();
  const { stdin, stdout } = child;
  for (const end of [stdin, stdout]) if ('unref' in end && typeof end.unref === 'function') end.unref();
  process.on('exit', () => child.kill());
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  return async (question) => {
    stdin.write(`${question}\n`);
    // While it works, this process waits for it.
    child.ref();
    const { value, done } = await lines.next();
    child.unref();
    if (done === true) throw new Error(`${program} ended`);
    return value;
  };
}
