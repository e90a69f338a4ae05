/**
 * fetch-url.ts — a URL taken apart as fetch(3) does.
 * Read first: fetch(3), fetchParseURL; RFC 3986 §3, RFC 6874 for zones.
 *
 *     [scheme://][user[:password]@]host[:port][/document]
 *
 * An IPv6 address stands in brackets, its zone behind `%` or `%25`. Without a scheme the name of the host is a hint: `www.` is http, `ftp.` is ftp.
 */

export interface FetchUrl {
  readonly scheme: string;
  readonly user: string;
  readonly password: string;
  /** Without brackets; with its zone behind `%`. */
  readonly host: string;
  /** 0: none was given. */
  readonly port: number;
  /** Path and query, beginning with `/`. */
  readonly doc: string;
}

const PORT_MAX = 65_535;
const HOST_MAX = 255;
const SCHEME_MAX = 16;

/** `%XX` decoded; null for an escape that is none. */
function percentDecode(text: string): string | null {
  if (/%(?![0-9a-f]{2})|%00/i.test(text)) return null;
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Null for what is no URL. */
export function parseUrl(text: string): FetchUrl | null {
  let scheme = '';
  let rest = text;
  const colon = text.indexOf(':/');
  if (colon >= 0) {
    if (colon > SCHEME_MAX) return null;
    scheme = text.slice(0, colon).toLowerCase();
    rest = text.slice(colon + 1);
    rest = rest.startsWith('//') ? rest.slice(2) : rest;
  }
  const bare = rest === '' || rest.startsWith('/') || rest.startsWith('.') || (scheme === '' && !/[/:]/.test(rest));
  if (bare) return { scheme, user: '', password: '', host: '', port: 0, doc: docOf(rest) };
  const match = /^(?:([^/@:]*)(?::([^/@]*))?@)?(\[[^\]/]*\]|[-.0-9A-Za-z_]+)(?::([^/?#]*))?([/?#].*)?$/s.exec(rest);
  if (match === null) return null;
  const [, user = '', password = '', bracketed = '', portText, doc = ''] = match;
  const host = hostOf(bracketed);
  const [userText, passwordText] = [percentDecode(user), percentDecode(password)];
  if (host === null || userText === null || passwordText === null) return null;
  const port = portText === undefined ? 0 : /^[0-9]+$/.test(portText) ? Number(portText) : -1;
  if (port < 0 || port > PORT_MAX || (portText !== undefined && port === 0)) return null;
  return { scheme: scheme === '' ? guess(host) : scheme, user: userText, password: passwordText, host, port, doc: docOf(doc) };
}

function hostOf(text: string): string | null {
  if (text.length > HOST_MAX) return null;
  if (!text.startsWith('[')) return text.toLowerCase();
  const match = /^\[([:.0-9a-f]+)(?:%(?:25)?([-.0-9a-z_]+))?\]$/i.exec(text);
  return match === null ? null : `${(match[1] ?? '').toLowerCase()}${match[2] === undefined ? '' : `%${match[2]}`}`;
}

function guess(host: string): string {
  return host.startsWith('www.') ? 'http' : host.startsWith('ftp.') ? 'ftp' : '';
}

/** What is asked for: white space is escaped, the fragment is the reader's own. */
function docOf(text: string): string {
  const doc = text.replace(/#.*$/s, '').replace(/\s/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return doc.startsWith('/') ? doc : `/${doc}`;
}

/** The name of the file a document is kept in. */
export function fileOf(urlText: string): string {
  return urlText.slice(urlText.lastIndexOf('/') + 1) || 'fetch.out';
}

/** As it stands in `Host:`: a zone means nothing to the other side. */
export function hostText(url: FetchUrl): string {
  return url.host.includes(':') ? `[${url.host.replace(/%.*$/, '')}]` : url.host;
}

/** Where a `Location:` leads: another URL, a path of the same server, or one beside the document. Null for what is no URL. */
export function redirected(from: FetchUrl, location: string): FetchUrl | null {
  const parsed = /^[a-z][a-z0-9+.-]*:\//i.test(location) ? parseUrl(location) : null;
  if (parsed !== null) {
    const same = parsed.host === from.host && parsed.user === '' && parsed.password === '';
    return same ? { ...parsed, user: from.user, password: from.password } : parsed;
  }
  if (location.startsWith('//')) return redirected(from, `${from.scheme}:${location}`);
  if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return null;
  const folder = from.doc.replace(/\?.*$/s, '').replace(/[^/]*$/, '');
  return { ...from, doc: docOf(location.startsWith('/') ? location : folder + location) };
}
