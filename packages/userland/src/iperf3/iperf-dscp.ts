/**
 * iperf-dscp.ts — the names of differentiated services that `iperf3 --dscp` takes.
 * Read first: RFC 2474, RFC 2597, RFC 3246, RFC 5865.
 */

const NAMES: ReadonlyMap<string, number> = new Map([
  ['af11', 0x28], ['af12', 0x30], ['af13', 0x38], ['af21', 0x48], ['af22', 0x50], ['af23', 0x58], ['af31', 0x68], ['af32', 0x70], ['af33', 0x78], ['af41', 0x88],
  ['af42', 0x90], ['af43', 0x98], ['cs0', 0x00], ['cs1', 0x20], ['cs2', 0x40], ['cs3', 0x60], ['cs4', 0x80], ['cs5', 0xa0], ['cs6', 0xc0], ['cs7', 0xe0], ['ef', 0xb8],
  ['va', 0xb0], ['none', 0],
]);

const DSCP_MAX = 63;

/** The type of service of a name or of a number in 0..63; null for neither. */
export function dscp(text: string): number | null {
  const named = NAMES.get(text.toLowerCase());
  if (named !== undefined) return named;
  const n = /^(0x[0-9a-f]+|0[0-7]*|[1-9][0-9]*)$/i.test(text) ? (/^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text)) : -1;
  return n < 0 || n > DSCP_MAX ? null : n * 4;
}
