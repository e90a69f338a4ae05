/**
 * help.ts — what `ipfw -h` prints: the language in short, as far as it is here.
 */
export const IPFW_HELP = `ipfw syntax summary (but please do read the ipfw(8) manpage):

\tipfw [-abcdDefhinNqStTv] <command>

where <command> is one of the following:

add [num] [set N] [prob x] RULE-BODY
{zero|resetlog|delete|list|show} [N{,N}] | flush
nat N config {ip IPADDR|if IFNAME|log|deny_in|same_ports|unreg_only|unreg_cgn|
\t\tskip_global|reset|reverse|proxy_only|redirect_addr linkspec|
\t\tredirect_port linkspec|redirect_proto linkspec|
\t\tport_range lower-upper}
nat {N delete | [N] show {config|log}}
set [disable N... enable N...] | move [rule] X to Y | swap X Y | show
set N {show|list|zero|resetlog|delete} [N{,N}] | flush
table N {create [type T] [valtype V] [limit L] | add key [value] | delete key |
\t\tlookup key | swap M | lock | unlock | info | list | flush | destroy}
table all {info | flush | list | destroy}
{enable|disable} {firewall|one_pass|verbose|dyn_keepalive}

RULE-BODY:\tcheck-state [:NAME] | ACTION [PARAMS] ADDR [OPTION_LIST]
ACTION:\tallow | count | deny | reject | reset | unreach{,6} CODE |
\t\tskipto N | call N | return | forward ADDR | nat N | netgraph N |
\t\tngtee N | setfib FIB | setdscp CODE | setmark N | tcp-setmss N | reass
PARAMS: \t[log [logamount LOGLIMIT]] [tag N | untag N]
ADDR:\t\t[ ip from IPADDR [ PORT ] to IPADDR [ PORTLIST ] ]
\t\t[ ipv6|ip6 from IP6ADDR [ PORT ] to IP6ADDR [ PORTLIST ] ]
IPADDR:\t[not] { any | me | ip/bits{x,y,z} | table(t[,v]) | IPLIST }
IP6ADDR:\t[not] { any | me | me6 | ip6/bits | IP6LIST }
IP6LIST:\t{ ip6 | ip6/bits }[,IP6LIST]
IPLIST:\t{ ip | ip/bits | ip:mask }[,IPLIST]
OPTION_LIST:\tOPTION [OPTION_LIST]
OPTION:\tlayer2 | {dst-ip|src-ip} IPADDR | {dst-ip6|src-ip6} IP6ADDR |
\t{dst-port|src-port} LIST | established | frag [SPEC] | icmptypes LIST |
\tin | out | ipid LIST | iplen LIST | ipoptions SPEC | ipprecedence N |
\tdscp LIST | iptos SPEC | ipttl LIST | ipversion VER | keep-state [:NAME] |
\trecord-state | limit WHAT N | set-limit | defer-action | icmp6types LIST |
\text6hdr LIST | flow-id N[,N] | fib FIB | mac DST SRC | mac-type LIST |
\tproto PROTO | {recv|xmit|via} {IF|IPADDR|table(t)} | setup |
\t{tcpack|tcpseq|tcpwin|tcpmss} NN | tcpflags SPEC | tcpoptions SPEC |
\ttcpdatalen LIST | verrevpath | versrcreach | antispoof | tagged LIST |
\tmark N[:MASK] | flow table(t) | lookup KEY t | {src-mac|dst-mac} table(t)
`;
