#!/usr/bin/env node
/**
 * main.ts — entry point of the netloom command.
 */
import { readFileSync } from 'node:fs';
import type { CliIo } from './cli-io.js';
import { runProgram } from './run-program.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
const io: CliIo = { env: process.env, out: (text) => void process.stdout.write(text), err: (text) => void process.stderr.write(text), exitCode: 0 };

// A reader that goes away (`netloom ps | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.exitCode = await runProgram(process.argv.slice(2), version, io);
