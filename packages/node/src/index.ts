/**
 * index.ts — the public face of @netloom/node: drivers, host loop, daemon. What talks to a daemon is in `@netloom/node/client`.
 */
export { HostLoop } from './loop.js';
export type { LoopKernel, LoopTimer } from './loop.js';
export { attachTap } from './attach-tap.js';
export type { AttachedTap } from './attach-tap.js';
export { NodeGateway, GatewayError } from './gateway/node-gateway.js';
export type { ForwardView, GatewayOptions } from './gateway/node-gateway.js';
export { formatForwardRule, ForwardRuleError, parseForwardRule, parseForwardRules } from './gateway/forward-rule.js';
export type { ForwardEnd, ForwardRule } from './gateway/forward-rule.js';
export { startDaemon } from './daemon/daemon.js';
export type { Daemon, DaemonOptions } from './daemon/daemon.js';
export { version } from './daemon/version.js';
export { SocketClaimError } from './daemon/socket-claim.js';
export { execBuffered } from './daemon/exec-buffer.js';
export type { ExecResult } from './daemon/exec-buffer.js';
export { ExecService } from './daemon/exec-service.js';
