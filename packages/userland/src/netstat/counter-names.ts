/**
 * counter-names.ts — what netstat's machine-readable output calls the counters.
 * Read first: netstat(1); libxo(3).
 *
 * Scripts read these names, so they are FreeBSD's. A counter FreeBSD has not is called by its own name in the stack.
 */

const NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  // A name with a slash is in a container of that name.
  tcp: {
    sndtotal: 'sent-packets', sndpack: 'sent-data-packets', sndbyte: 'sent-data-bytes', sndrexmitpack: 'sent-retransmitted-packets',
    sndrexmitbyte: 'sent-retransmitted-bytes', sndrexmitbad: 'sent-unnecessary-retransmitted-packets', mturesent: 'sent-resends-by-mtu-discovery',
    sndacks: 'sent-ack-only-packets', delack: 'sent-packets-delayed', sndurg: 'sent-urg-only-packets', sndprobe: 'sent-window-probe-packets',
    sndwinup: 'sent-window-update-packets', sndctrl: 'sent-control-packets', rcvtotal: 'received-packets', rcvackpack: 'received-ack-packets',
    rcvackbyte: 'received-ack-bytes', rcvdupack: 'received-duplicate-acks', rcvacktoomuch: 'received-acks-for-unsent-data',
    rcvpack: 'received-in-sequence-packets', rcvbyte: 'received-in-sequence-bytes', rcvduppack: 'received-completely-duplicate-packets',
    rcvdupbyte: 'received-completely-duplicate-bytes', pawsdrop: 'received-old-duplicate-packets', rcvpartduppack: 'received-some-duplicate-packets',
    rcvpartdupbyte: 'received-some-duplicate-bytes', rcvoopack: 'received-out-of-order', rcvoobyte: 'received-out-of-order-bytes',
    rcvpackafterwin: 'received-after-window-packets', rcvbyteafterwin: 'received-after-window-bytes', rcvwinprobe: 'received-window-probes',
    rcvwinupd: 'receive-window-update-packets', dsack_count: 'received-with-dsack-packets', dsack_bytes: 'received-with-dsack-bytes',
    dsack_tlp_bytes: 'received-with-dsack-bytes-tlp', rcvafterclose: 'received-after-close-packets', rcvbadsum: 'discard-bad-checksum',
    rcvbadoff: 'discard-bad-header-offset', rcvshort: 'discard-too-short', rcvreassfull: 'discard-reassembly-queue-full',
    connattempt: 'connection-requests', accepts: 'connections-accepts', badsyn: 'bad-connection-attempts', listendrop: 'listen-queue-overflows',
    badrst: 'ignored-in-window-resets', connects: 'connections-established', usedrtt: 'connections-hostcache-rtt',
    usedrttvar: 'connections-hostcache-rttvar', usedssthresh: 'connections-hostcache-ssthresh', closed: 'connections-closed', drops: 'connection-drops',
    cachedrtt: 'connections-updated-rtt-on-close', cachedrttvar: 'connections-updated-variance-on-close',
    cachedssthresh: 'connections-updated-ssthresh-on-close', conndrops: 'embryonic-connections-dropped', rttupdated: 'segments-updated-rtt',
    segstimed: 'segment-update-attempts', rexmttimeo: 'retransmit-timeouts', timeoutdrop: 'connections-dropped-by-retransmit-timeout',
    persisttimeo: 'persist-timeout', persistdrop: 'connections-dropped-by-persist-timeout', finwait2_drops: 'connections-dropped-by-finwait2-timeout',
    keeptimeo: 'keepalive-timeout', keepprobe: 'keepalive-probes', keepdrops: 'connections-dropped-by-keepalives',
    progdrops: 'connections-dropped-due-to-progress-time', predack: 'ack-header-predictions', preddat: 'data-packet-header-predictions',
    sc_added: 'syncache/entries-added', sc_retransmitted: 'syncache/retransmitted', sc_dupsyn: 'syncache/duplicates', sc_dropped: 'syncache/dropped',
    sc_completed: 'syncache/completed', sc_bucketoverflow: 'syncache/bucket-overflow', sc_cacheoverflow: 'syncache/cache-overflow',
    sc_reset: 'syncache/reset', sc_stale: 'syncache/stale', sc_aborted: 'syncache/aborted', sc_badack: 'syncache/bad-ack',
    sc_unreach: 'syncache/unreachable', sc_zonefail: 'syncache/zone-failures', sc_sendcookie: 'syncache/sent-cookies', sc_recvcookie: 'syncache/receivd-cookies',
    hc_added: 'hostcache/entries-added', hc_bucketoverflow: 'hostcache/buffer-overflows', sack_recovery_episode: 'sack/recovery-episodes',
    sack_rexmits: 'sack/segment-retransmits', sack_rexmit_bytes: 'sack/byte-retransmits', sack_rcv_blocks: 'sack/received-blocks',
    sack_send_blocks: 'sack/sent-option-blocks', sack_lostrexmt: 'sack/lost-retransmissions', sack_sboverflow: 'sack/scoreboard-overflows',
    ecn_rcvce: 'ecn/received-ce-packets', ecn_rcvect0: 'ecn/received-ect0-packets', ecn_rcvect1: 'ecn/received-ect1-packets',
    ecn_sndect0: 'ecn/sent-ect0-packets', ecn_sndect1: 'ecn/sent-ect1-packets', ecn_shs: 'ecn/handshakes', ecn_rcwnd: 'ecn/congestion-reductions',
    sig_rcvgoodsig: 'tcp-signature/received-good-signature', sig_rcvbadsig: 'tcp-signature/received-bad-signature',
    sig_err_buildsig: 'tcp-signature/failed-make-signature', sig_err_sigopt: 'tcp-signature/no-signature-expected',
    sig_err_nosigopt: 'tcp-signature/no-signature-provided', pmtud_blackhole_activated: 'pmtud/pmtud-activated',
    pmtud_blackhole_activated_min_mss: 'pmtud/pmtud-activated-min-mss', pmtud_blackhole_failed: 'pmtud/pmtud-failed', tw_responds: 'tw/tw_responds',
    tw_recycles: 'tw/tw_recycles', tw_resets: 'tw/tw_resets',
  },
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
