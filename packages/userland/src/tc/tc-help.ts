/**
 * tc-help.ts — what tc prints when it is asked for help: the language as far as it is here, with examples.
 */
export const TC_USAGE = `Usage:\ttc [ OPTIONS ] OBJECT { COMMAND | help }
\ttc [-force] -batch filename
where  OBJECT := { qdisc | filter }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] | -j[son] | -p[retty] |
\t\t    -b[atch] [filename] }

Hold what ifb0 sends, let it go epoch by epoch:
\ttc qdisc add dev ifb0 root plug limit 4mb
\ttc qdisc change dev ifb0 root plug block
\ttc qdisc change dev ifb0 root plug release
Lead all that tap0 receives through ifb0:
\ttc qdisc add dev tap0 ingress
\ttc filter add dev tap0 parent ffff: protocol all matchall action mirred egress redirect dev ifb0
`;

export const QDISC_USAGE = `Usage: tc qdisc [ add | del | replace | change | show ] dev STRING
       [ handle QHANDLE ] [ root | ingress | parent CLASSID ]
       [ [ QDISC_KIND ] [ help | OPTIONS ] ]

       tc qdisc { show | list } [ dev STRING ] [ QDISC_ID ]
Where:
QDISC_KIND := { plug | ingress }
OPTIONS := ... try tc qdisc add <desired QDISC_KIND> help
QDISC_ID := { root | ingress | handle QHANDLE | parent CLASSID }
`;

export const PLUG_USAGE = 'Usage: ... plug [block | release | release_indefinite | limit NUMBER]\n';

export const INGRESS_USAGE = 'Usage: ... ingress\n';

export const FILTER_USAGE = `Usage: tc filter [ add | del | change | replace | show ] [ dev STRING ]
       [ pref PRIO ] protocol PROTO
       [ ingress | parent CLASSID ]
       [ handle FILTERID ] [ [ FILTER_TYPE ] [ help | OPTIONS ] ]

       tc filter show [ dev STRING ] [ ingress | parent CLASSID ]
Where:
FILTER_TYPE := { u32 | matchall }
FILTERID := ... format depends on classifier, see there
OPTIONS := ... try tc filter add <desired FILTER_KIND> help
`;

export const U32_USAGE = `Usage: ... u32 [ match SELECTOR ... ] [ classid CLASSID ]
               [ action ACTION_SPEC ]

Where: SELECTOR := SAMPLE SAMPLE ...
       SAMPLE := { ip | ip6 | udp | tcp | icmp | u{32|16|8} } SAMPLE_ARGS
       FILTERID := X:Y:Z

NOTE: CLASSID is parsed at hexadecimal input.
`;

export const MATCHALL_USAGE = `Usage: ... matchall [ action ACTION_SPEC ] [ classid CLASSID ]

Where: ACTION_SPEC := { mirred egress { redirect | mirror } dev STRING | drop | pass }

NOTE: CLASSID is parsed as hexadecimal input.
`;
