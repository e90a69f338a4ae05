/**
 * filter-error.ts — what the compiler throws when it cannot go on: a message in libpcap's words.
 * It never leaves the compiler: `compile-filter.ts` catches it and answers with its text.
 */

/** `message` is what the user sees after "tcpdump: ". */
export class FilterError extends Error {}

/** The text does not have the form of an expression. */
export const syntaxError = (): FilterError => new FilterError("can't parse filter expression: syntax error");

/** The expression is nested deeper, or is longer, than the parser follows. */
export const tooLong = (): FilterError => new FilterError("can't parse filter expression: memory exhausted");
