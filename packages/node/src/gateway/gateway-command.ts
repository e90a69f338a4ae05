/**
 * gateway-command.ts — `netloom gateway` as a lab's plan has it: its words read, and done.
 * Read first: lab/lab-gateway.ts, which writes them; gateways.ts.
 */
import type { CommandResult } from '../lab/lab-run.js';
import { gatewayRequest } from '../lab/lab-gateway.js';
import type { Gateways } from './gateways.js';
import { errorLine } from '../error-line.js';

/** `up VNET ...`; the words are of a plan, so they are right. */
export async function runGatewayCommand(gateways: Gateways, words: readonly string[]): Promise<CommandResult> {
  const { vnet, request } = gatewayRequest(words.slice(1));
  try {
    await gateways.up(vnet, request);
    return { exitCode: 0, stdout: '', stderr: '' };
  } catch (error) {
    return { exitCode: 1, stdout: '', stderr: errorLine(error) };
  }
}
