/**
 * counter-names.ts — what netstat's machine-readable output calls the counters.
 * Read first: netstat(1); libxo(3).
 *
 * Scripts read these names, so they are FreeBSD's. A counter FreeBSD has not is called by its own name in the stack.
 */

const NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ip: {
    total: 'received-packets', badsum: 'dropped-bad-checksum', toosmall: 'dropped-below-minimum-size', tooshort: 'dropped-short-packets',
    toolong: 'dropped-too-long', badhlen: 'dropped-short-header-length', badlen: 'dropped-short-data', badoptions: 'dropped-bad-options',
    badvers: 'dropped-bad-version', fragments: 'received-fragments', fragdropped: 'dropped-fragments', fragtimeout: 'dropped-fragments-after-timeout',
    fragoverlap: 'dropped-overlapping-fragments', reassembled: 'reassembled-packets', delivered: 'received-local-packets',
    noproto: 'dropped-unknown-protocol', forward: 'forwarded-packets', fastforward: 'fast-forwarded-packets', cantforward: 'packets-cannot-forward',
    notmember: 'received-unknown-multicast-group', redirectsent: 'redirects-sent', localout: 'sent-packets', rawout: 'send-packets-fabricated-header',
    odropped: 'discard-no-mbufs', noroute: 'discard-no-route', fragmented: 'sent-fragments', ofragments: 'fragments-created',
    cantfrag: 'discard-cannot-fragment', nogif: 'discard-tunnel-no-gif', badaddr: 'discard-bad-address',
  },
  udp: {
    ipackets: 'received-datagrams', hdrops: 'dropped-incomplete-headers', badlen: 'dropped-bad-data-length', badsum: 'dropped-bad-checksum',
    nosum: 'dropped-no-checksum', noport: 'dropped-no-socket', noportbcast: 'dropped-broadcast-multicast', fullsock: 'dropped-full-socket-buffer',
    noportmcast: 'not-for-hashed-pcb', delivered: 'delivered-packets', opackets: 'output-packets', filtermcast: 'multicast-source-filter-matches',
  },
  icmp: {
    error: 'icmp-calls', oldicmp: 'errors-not-from-message', badcode: 'dropped-bad-code', tooshort: 'dropped-too-short', checksum: 'dropped-bad-checksum',
    badlen: 'dropped-bad-length', bmcastecho: 'dropped-multicast-echo', bmcasttstamp: 'dropped-multicast-timestamp', reflect: 'sent-packets',
    badaddr: 'discard-invalid-return-address', noroute: 'discard-no-route',
  },
  routing: {
    badredirect: 'bad-redirects', dynamic: 'dynamically-created', newgateway: 'new-gateways', unreach: 'unreachable-destination',
  },
  arp: {
    txrequests: 'sent-requests', txerrors: 'sent-failures', txreplies: 'sent-replies', rxrequests: 'received-requests', rxreplies: 'received-replies',
    received: 'received-packets', dropped: 'dropped-no-entry', timeouts: 'entries-timeout', dupips: 'dropped-duplicate-address',
  },
};

export function counterName(group: string, key: string): string {
  return NAMES[group]?.[key] ?? key;
}
