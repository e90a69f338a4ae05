/**
 * telnet.ts — what `nc -t` answers to TELNET's offers: no to each.
 * Read first: RFC 854 (WILL, WONT, DO, DONT).
 */

const IAC = 255;
const DONT = 254;
const DO = 253;
const WONT = 252;
const WILL = 251;

/** Three bytes for each offer in `bytes`. */
export function telnetAnswer(bytes: Uint8Array): Uint8Array {
  const answer: number[] = [];
  for (let i = 0; i < bytes.length - 2; i++) {
    if (bytes[i] !== IAC) continue;
    const verb = bytes[++i] ?? 0;
    const refusal = verb === WILL || verb === WONT ? DONT : verb === DO || verb === DONT ? WONT : 0;
    if (refusal !== 0) answer.push(IAC, refusal, bytes[++i] ?? 0);
  }
  return Uint8Array.from(answer);
}
