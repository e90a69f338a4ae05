/**
 * judge.mjs — what an outsider may see of a counter that never dies: the judge of `npm run failover`.
 * Read first: counter.pl.
 *
 * Theory of operation. A request gets as its floor the highest value that had been seen in any answer when it was sent. The counter had passed that value by then, and whoever takes its place must have as well:
 * the answer is above the floor. No two requests are answered with one value. Anything else is a regression: somebody was shown what did not come to be. Answers may come late and
 * in any order, so nothing is concluded from the order in which they come.
 *
 * Not here: time, and whether an answer comes at all (counter-client.mjs).
 */

/** @typedef {{ value: number, id: string, ahead: boolean }} Answer */
/** @typedef {{ id: string, value: number, what: string }} Regression */

/**
 * @param {string} line
 * @returns {Answer | null} null when it is none
 */
export function parseAnswer(line) {
  const [, value, id, ahead] = /^([0-9]{1,15}) (\S+)( ahead)?\s*$/.exec(line) ?? [];
  return value === undefined || id === undefined ? null : { value: Number(value), id, ahead: ahead !== undefined };
}

export class Judge {
  constructor() {
    /** @type {Regression[]} */
    this.regressions = [];
    /** Who has been given each value. @type {Map<number, string>} */
    this.given = new Map();
    /** @type {Map<string, number>} */
    this.floors = new Map();
    this.highest = 0;
  }

  /** @param {string} id of a request that is being sent, which no other has */
  sent(id) {
    this.floors.set(id, this.highest);
  }

  /** @param {string} line as it came */
  answered(line) {
    const answer = parseAnswer(line);
    const floor = answer === null ? undefined : this.floors.get(answer.id);
    if (answer === null || floor === undefined) return this.regress('?', answer?.value ?? NaN, `"${line}" answers no request`);
    const { value, id, ahead } = answer;
    const before = this.given.get(value);
    if (value <= floor) this.regress(id, value, `${floor} had been seen before the request was sent`);
    else if (before !== undefined && before !== id) this.regress(id, value, `${before} was given the same`);
    else if (ahead) this.regress(id, value, 'the disk had this value before the counter');
    this.given.set(value, id);
    this.highest = Math.max(this.highest, value);
  }

  /** @param {string} id @param {number} value @param {string} what */
  regress(id, value, what) {
    this.regressions.push({ id, value, what });
  }
}
