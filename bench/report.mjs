/**
 * report.mjs — reads what `npm run bench -- NAME --json` printed, with or without the lines that npm puts before it (`--silent`: none).
 */

/** @typedef {import('./main.mjs').Row} Row */
/** @typedef {{ rows: readonly Row[], machine: { cpu: string, cpus: number, node: string, os: string } }} Report */

/** @param {string} text @returns {Report} @throws {SyntaxError} when there is no report in it */
export function reportOf(text) {
  const start = text.search(/^\{/mu);
  if (start < 0) throw new SyntaxError('this is nothing that "npm run --silent bench -- NAME --json" has printed');
  return JSON.parse(text.slice(start));
}
