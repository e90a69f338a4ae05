/**
 * plug-qdisc.ts — the plug as a kind of discipline: `tc qdisc add dev IF root plug`.
 * Read first: plug.ts; tc-plug is without a manual page, its source is iproute2's `tc/q_plug.c`.
 *
 * Options are those of struct tc_plug_qopt, an action and a limit. At creation only the limit is read, whatever the action is: so `add ... plug block`, whose limit is 0, makes a plug that drops everything. Without options
 * the limit is as many frames of the interface's MTU as Linux lets wait at it: 32 at an ifb, 1,000 elsewhere.
 */
import { ifTxqueuelen } from '../net/ifb.js';
import type { Ifnet } from '../net/ifnet.js';
import type { QdiscKind } from '../net/tc/if-qdisc.js';
import { tcRefuse, TC_OK } from '../net/tc/tc-answer.js';
import { EINVAL } from '../base/errno.js';
import { ETHER_HDR_LEN } from '../wire/ether.js';
import { Plug } from './plug.js';

/** Bytes a plug on `ifp` may hold when nobody says how many. */
function plugLimitDefault(ifp: Ifnet): number {
  const header = ifp.lladdr.length > 0 ? ETHER_HDR_LEN : 0;
  return ifTxqueuelen(ifp) * (ifp.mtu + header);
}

export const plugQdisc: QdiscKind = {
  kind: 'plug',
  create: (net, ifp, send, options) => new Plug(net.kern, send, options === null ? plugLimitDefault(ifp) : (options['limit'] ?? 0)),
  change(qdisc, options) {
    const error = qdisc instanceof Plug ? qdisc.change(options['action'] ?? 0, options['limit'] ?? 0) : EINVAL;
    return error === 0 ? TC_OK : tcRefuse(error);
  },
};
