/**
 * plug-stats.ts — class PlugStats: what became of the frames a plug was given.
 * Read first: output-plug.ts.
 */
export class PlugStats {
  /** Handed to the sink. */
  sentPackets = 0;
  sentBytes = 0;
  /** Not taken, because there was no room. */
  dropPackets = 0;
  dropBytes = 0;
  /** Held, and freed without having been sent: the link went down, what they came by left, or the plug ended. */
  purgedPackets = 0;
  purgedBytes = 0;
}
