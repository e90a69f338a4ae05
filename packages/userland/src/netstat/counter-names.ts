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
  ip6: {
    total: 'received-packets', toosmall: 'dropped-below-minimum-size', tooshort: 'dropped-short-packets', badoptions: 'dropped-bad-options',
    badvers: 'dropped-bad-version', fragments: 'received-fragments', fragdropped: 'dropped-fragment', fragtimeout: 'dropped-fragment-after-timeout',
    fragoverflow: 'dropped-fragments-overflow', atomicfrags: 'atomic-fragments', reassembled: 'reassembled-packets', delivered: 'received-local-packets',
    forward: 'forwarded-packets', cantforward: 'packets-not-forwardable', redirectsent: 'sent-redirects', localout: 'sent-packets',
    rawout: 'send-packets-fabricated-header', odropped: 'discard-no-mbufs', noroute: 'discard-no-route', fragmented: 'sent-fragments',
    ofragments: 'fragments-created', cantfrag: 'discard-cannot-fragment', badscope: 'discard-scope-violations', notmember: 'multicast-no-join-packets',
    exthdrtoolong: 'dropped-header-too-long', nogif: 'discard-tunnel-no-gif', toomanyhdr: 'dropped-too-many-headers', fastforward: 'fast-forwarded-packets',
    fragoverlap: 'dropped-overlapping-fragments', sourcesNone: 'address-selection-failures',
  },
  icmp6: {
    error: 'icmp6-calls', canterror: 'errors-not-generated-from-message', toofreq: 'errors-discarded-by-rate-limitation', badcode: 'dropped-bad-code',
    tooshort: 'dropped-too-short', checksum: 'dropped-bad-checksum', badlen: 'dropped-bad-length', dropped: 'dropped-no-entry',
    odstUnreachNoroute: 'no-route', odstUnreachAdmin: 'admin-prohibited', odstUnreachBeyondscope: 'beyond-scope', odstUnreachAddr: 'address-unreachable',
    odstUnreachNoport: 'port-unreachable', opacketTooBig: 'packet-too-big', otimeExceedTransit: 'time-exceed-transmit', otimeExceedReassembly: 'time-exceed-reassembly',
    oparamprobHeader: 'bad-header', oparamprobNextheader: 'bad-next-header', oparamprobOption: 'bad-option', oredirect: 'redirects', ounknown: 'unknown',
    reflect: 'reflect', ndToomanyopt: 'too-many-nd-options', ndBadopt: 'bad-nd-options', badns: 'bad-neighbor-solicitation', badna: 'bad-neighbor-advertisement',
    badrs: 'bad-router-solicitation', badra: 'bad-router-advertisement', badredirect: 'bad-redirect', overflowdefrtr: 'default-routers-overflows',
    overflowprfx: 'prefixes-overflows', overflownndp: 'neighbour-entries-overflows', overflowredirect: 'redirect-overflows', invlhlim: 'dropped-invalid-hop-limit',
    pmtuchg: 'path-mtu-changes',
  },
  'ip6-interface-statistics': {
    receive: 'received-packets', hdrerr: 'dropped-invalid-header', toobig: 'dropped-mtu-exceeded', noroute: 'dropped-no-route', addrerr: 'dropped-invalid-destination',
    protounknown: 'dropped-unknown-protocol', truncated: 'dropped-truncated', discard: 'dropped-discarded', deliver: 'received-valid-packets', outForward: 'sent-forwarded',
    outRequest: 'sent-packets', outDiscard: 'discard-packets', outFragok: 'discard-fragments', outFragfail: 'fragments-failed', outFragcreat: 'fragments-created',
    reassReqd: 'reassembly-required', reassOk: 'reassembled-packets', reassFail: 'reassembly-failed', mcast: 'received-multicast', outMcast: 'sent-multicast',
  },
  'icmp6-interface-statistics': {
    msg: 'packets', error: 'errors', dstunreach: 'destination-unreachable', adminprohib: 'admin-prohibited', timeexceed: 'time-exceeded', paramprob: 'bad-parameter',
    pkttoobig: 'packet-too-big', echo: 'echo-requests', echoreply: 'echo-replies', routersolicit: 'router-solicitation', routeradvert: 'router-advertisement',
    neighborsolicit: 'neighbor-solicitation', neighboradvert: 'neighbor-advertisement', redirect: 'redirects', mldquery: 'mld-queries', mldreport: 'mld-reports',
    mlddone: 'mld-done',
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
