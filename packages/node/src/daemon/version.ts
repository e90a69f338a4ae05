/**
 * version.ts — the version of this package, as `health`, the OpenAPI document and capture files tell it.
 */
import { readFileSync } from 'node:fs';

export const version: string = (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
