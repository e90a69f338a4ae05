/**
 * parent.mjs — notices that the process which started this one is gone.
 *
 * npm runs a script through a shell that passes no signal on: `kill` of npm ends npm and its shell and leaves the script. The system then
 * gives the script another parent, and that is all it is told.
 */

const LOOK_MS = 1_000;

/**
 * Calls `gone` once when `parent` is not the parent of this process any more. Does not keep the process running.
 * @param {number} parent `process.ppid` as it was in the beginning
 * @param {() => void} gone
 * @param {number} [lookMs]
 */
export function whenParentIsGone(parent, gone, lookMs = LOOK_MS) {
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, lookMs);
  timer.unref();
}
