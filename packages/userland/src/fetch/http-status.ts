/**
 * http-status.ts — the answers of HTTP in fetch(3)'s words, and of which kind they are.
 * Read first: lib/libfetch/http.errors, fetch(3).
 */

/** fetch(3)'s kinds of errors; they decide what `-a` tries again. */
export type FetchKind =
  | 'OK' | 'INFO' | 'MOVED' | 'PROTO' | 'AUTH' | 'UNAVAIL' | 'TIMEOUT' | 'EXISTS' | 'SERVER' | 'TEMP' | 'URL' | 'RESOLV' | 'NETWORK' | 'ABORT' | 'DOWN' | 'FULL' | 'UNKNOWN';

const STATUS: ReadonlyMap<number, readonly [FetchKind, string]> = new Map<number, readonly [FetchKind, string]>([
  [100, ['OK', 'Continue']], [101, ['OK', 'Switching Protocols']], [200, ['OK', 'OK']], [201, ['OK', 'Created']], [202, ['OK', 'Accepted']],
  [203, ['INFO', 'Non-Authoritative Information']], [204, ['OK', 'No Content']], [205, ['OK', 'Reset Content']], [206, ['OK', 'Partial Content']],
  [300, ['MOVED', 'Multiple Choices']], [301, ['MOVED', 'Moved Permanently']], [302, ['MOVED', 'Moved Temporarily']], [303, ['MOVED', 'See Other']],
  [304, ['OK', 'Not Modified']], [305, ['INFO', 'Use Proxy']], [307, ['MOVED', 'Temporary Redirect']], [308, ['MOVED', 'Permanent Redirect']],
  [400, ['PROTO', 'Bad Request']], [401, ['AUTH', 'Unauthorized']], [402, ['AUTH', 'Payment Required']], [403, ['AUTH', 'Forbidden']], [404, ['UNAVAIL', 'Not Found']],
  [405, ['PROTO', 'Method Not Allowed']], [406, ['PROTO', 'Not Acceptable']], [407, ['AUTH', 'Proxy Authentication Required']], [408, ['TIMEOUT', 'Request Time-out']],
  [409, ['EXISTS', 'Conflict']], [410, ['UNAVAIL', 'Gone']], [411, ['PROTO', 'Length Required']], [412, ['SERVER', 'Precondition Failed']],
  [413, ['PROTO', 'Request Entity Too Large']], [414, ['PROTO', 'Request-URI Too Large']], [415, ['PROTO', 'Unsupported Media Type']],
  [416, ['UNAVAIL', 'Requested Range Not Satisfiable']], [417, ['SERVER', 'Expectation Failed']], [500, ['SERVER', 'Internal Server Error']],
  [501, ['PROTO', 'Not Implemented']], [502, ['SERVER', 'Bad Gateway']], [503, ['TEMP', 'Service Unavailable']], [504, ['TIMEOUT', 'Gateway Time-out']],
  [505, ['PROTO', 'HTTP Version not supported']], [999, ['PROTO', 'Protocol error']],
]);

export const HTTP_OK = 200;
export const HTTP_PARTIAL = 206;
export const HTTP_NEED_AUTH = 401;
export const HTTP_BAD_RANGE = 416;
export const HTTP_PROTOCOL_ERROR = 999;

/** Kind and words of a status. */
export function httpStatus(status: number): readonly [FetchKind, string] {
  return STATUS.get(status) ?? ['PROTO', 'Unknown HTTP error'];
}

/** The document is elsewhere, and `Location:` says where. */
export function isRedirect(status: number): boolean {
  return [301, 302, 303, 305, 307, 308].includes(status);
}

/** A redirect that `-A` follows as well. */
export function isLasting(status: number): boolean {
  return status === 301 || status === 305 || status === 308;
}
