/**
 * ip-options-text.ts — the IP options of an answer, in ping's words: record route and source routes.
 * Read first: RFC 791 §3.1 "Options"; ping(8) -R.
 *
 * A recorded route that is the same as in the answer before is said to be the same; so there is one of these per run.
 * Everything is read within the bounds of the header: an option that lies about its length is cut short, never believed.
 */
import { IPOPT_EOL, IPOPT_LSRR, IPOPT_MINOFF, IPOPT_NOP, IPOPT_RR, IPOPT_SSRR, ip4Format } from '@netloom/core/wire';

/** Type, length and pointer. */
const OPTION_HDR = 3;
const ADDR_LEN = 4;

export class IpOptionsText {
  private lastRoute = '';

  /**
   * Options in [from, to) of a header, each line opened by a newline; '' without options.
   * @param sameRoute false: a repeated route is printed in full all the same.
   */
  text(view: DataView, from: number, to: number, sameRoute: boolean): string {
    let out = '';
    for (let at = from; at < to; ) {
      const type = view.getUint8(at);
      if (type === IPOPT_EOL) break;
      if (type === IPOPT_LSRR || type === IPOPT_SSRR) {
        out += `\n${type === IPOPT_LSRR ? 'LSRR' : 'SSRR'}: ${addresses(view, at, to, lengthOf(view, at, to))}`;
        at += Math.max(lengthOf(view, at, to), OPTION_HDR);
      } else if (type === IPOPT_RR) {
        out += this.recorded(view, at, to, sameRoute);
        at += Math.max(lengthOf(view, at, to), OPTION_HDR);
      } else {
        out += type === IPOPT_NOP ? '\nNOP' : `\nunknown option ${type.toString(16)}`;
        at++;
      }
    }
    return out;
  }

  private recorded(view: DataView, at: number, to: number, sameRoute: boolean): string {
    const filled = at + 2 < to ? Math.min(view.getUint8(at + 2) - 1, lengthOf(view, at, to)) : 0;
    if (filled < OPTION_HDR) {
      this.lastRoute = '';
      return '';
    }
    const route = addresses(view, at, to, filled);
    if (sameRoute && route === this.lastRoute) return '\t(same route)';
    this.lastRoute = route;
    return `\nRR: ${route}`;
  }
}

/** The option's length as far as the header goes. */
function lengthOf(view: DataView, at: number, to: number): number {
  return at + 1 < to ? Math.min(view.getUint8(at + 1), to - at) : 1;
}

/** Addresses in the first `len` bytes of the option, one a line behind a tab. */
function addresses(view: DataView, at: number, to: number, len: number): string {
  const lines: string[] = [];
  for (let k = at + OPTION_HDR; k + ADDR_LEN <= Math.min(at + len, to); k += ADDR_LEN) lines.push(`\t${ip4Format(view.getUint32(k))}`);
  return lines.length === 0 ? '\t(truncated route)' : lines.join('\n');
}

/** A record-route option with room for nine addresses, as ping -R sends it: four-byte aligned, ended. */
export function recordRouteOption(): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes.set([IPOPT_RR, bytes.length - 1, IPOPT_MINOFF]);
  bytes[bytes.length - 1] = IPOPT_EOL;
  return bytes;
}
