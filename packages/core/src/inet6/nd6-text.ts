/**
 * nd6-text.ts — addresses of log lines.
 */
import { ip6Format, ip6OfWords, ip6Plain } from '../wire/addr6.js';

/** The text of an address given as words in zoned form. */
export function wordsText(w0: number, w1: number, w2: number, w3: number): string {
  return ip6Format(ip6Plain(ip6OfWords(w0, w1, w2, w3)));
}
