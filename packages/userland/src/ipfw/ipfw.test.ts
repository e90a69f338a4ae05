/**
 * ipfw.test.ts — ipfw as an administrator meets it: rules in and out, sets, tables, nat, scripts, and what it refuses. Transcripts are FreeBSD's words.
 */
import { describe, expect, test } from 'vitest';
import { golden } from '../../test/golden.js';
import { ToolLab } from '../../test/test-proc.js';

describe('rules', () => {
  test('are added, numbered by hundreds, and listed as they are read again', async () => {
    await golden(`
$ ipfw list
65535 allow ip from any to any
$ ipfw add allow ip from any to any via lo0
00100 allow ip from any to any via lo0
$ ipfw add deny ip from any to 127.0.0.0/8
00200 deny ip from any to 127.0.0.0/8
$ ipfw add 150 deny log logamount 5 tcp from 10.0.0.0/8,192.168.1.1 1024-65535 to me 22,80,https in recv epair0a setup
00150 deny log logamount 5 tcp from 10.0.0.0/8,192.168.1.1 1024-65535 to me 22,80,443 in recv epair0a setup
$ ipfw -q add 65000 count ip from any to any
$ ipfw list
00100 allow ip from any to any via lo0
00150 deny log logamount 5 tcp from 10.0.0.0/8,192.168.1.1 1024-65535 to me 22,80,443 in recv epair0a setup
00200 deny ip from any to 127.0.0.0/8
65000 count ip from any to any
65535 allow ip from any to any
$ ipfw list 150-200 5000 x
00150 deny log logamount 5 tcp from 10.0.0.0/8,192.168.1.1 1024-65535 to me 22,80,443 in recv epair0a setup
00200 deny ip from any to 127.0.0.0/8
! ipfw: rule 5000 does not exist
! ipfw: invalid rule number: x
[64]
$ ipfw delete 150 151
! ipfw: rule 151 not found
$ ipfw flush
Flushed all rules.
$ ipfw list
65535 allow ip from any to any
`);
  });

  test('of every kind', async () => {
    await golden(`
$ ipfw add 400 allow { tcp or udp } from any to { 1.2.3.4 or 5.6.7.0/24 } 53 out
00400 allow { tcp or udp } from any to { 1.2.3.4 or 5.6.7.0/24 } 53 out
$ ipfw add 500 deny not tcp from not me to any
00500 deny not tcp from not me to any
$ ipfw add 600 skipto 1000 ip6 from fe80::/10,2001:db8::1 to me6
00600 skipto 1000 ip6 from fe80::/10,2001:db8::1 to me6
$ ipfw add 700 prob 0.5 deny icmp from any to any icmptypes 8,0
00700 prob 0.500000 deny icmp from any to any icmptypes 0,8
$ ipfw add 800 nat 7 ip4 from any to any { via epair0a or via lo0 }
00800 nat 7 ip4 from any to any { via epair0a or via lo0 }
$ ipfw add 900 fwd 192.0.2.1,8080 tcp from 1.2.3.0/24{1,5-9,20} to any established
00900 fwd 192.0.2.1,8080 tcp from 1.2.3.0/24{1,5-9,20} to any established
$ ipfw add 905 fwd [2001:db8::7]:53 udp from any to any dst-port 53
00905 fwd 2001:db8::7,53 udp from any to any 53
$ ipfw add 910 set 3 allow // just a comment
00910 allow // just a comment
$ ipfw add 920 // hello world
00920 count // hello world
$ ipfw add 930 check-state
00930 check-state :default
$ ipfw add 940 check-state :any // all of them
00940 check-state :any // all of them
$ ipfw add 950 unreach needfrag 1400 ip from table(1) to table(foo,7)
00950 unreach needfrag 1400 ip from table(1) to table(foo,7)
$ ipfw add 960 deny MAC any MAC/24 mac-type 0x0800,arp layer2
! ipfw: Incorrect MAC address
[65]
$ ipfw add 960 deny MAC any 00:11:22:33:44:55/24 mac-type 0x0800,arp layer2
00960 deny MAC any 00:11:22:00:00:00/24 mac-type 0x0800,0x0806 layer2
$ ipfw add 970 allow tcp from any to any limit src-addr dst-port 4 :web
00970 allow tcp from any to any limit src-addr,dst-port 4 :web
$ ipfw add 980 allow ip from any to any lookup dst-port ports tagged 5,7-9 frag mf,!df
00980 allow ip from any to any lookup dst-port ports tagged 5,7-9 frag !df,mf
$ ipfw add 990 reset tcp from any to any tcpflags syn,!ack,!fin iptos lowdelay dscp af11,ef,63
00990 reset tcp from any to any tcpflags syn,!fin,!ack iptos lowdelay dscp af11,ef,63
$ ipfw add 992 netgraph 5 udp from any to any out
00992 netgraph 5 udp from any to any out
$ ipfw add 994 ngtee tablearg log tag 7 ip from any to table(1)
00994 ngtee tablearg log tag 7 ip from any to table(1)
$ ipfw add 996 setfib 0 untag 3 ip6 from any to any ext6hdr frag,esp flow-id 5,6
00996 setfib 0 untag 3 ip6 from any to any extension header: fragmentation,encapsulated security payload flow-id 5,6 
$ ipfw add 997 tcp-setmss 1400 tcp from any to any setup tcpmss 1401-65535
00997 tcp-setmss 1400 tcp from any to any setup tcpmss 1401-65535
$ ipfw add 998 setmark 0x10 ip from any to any not mark 0x10:0xff via table(ifs)
00998 setmark 0x10 ip from any to any not mark 0x10:0xff via table(ifs)
$ ipfw add 999 call 2000 ip from any to any recv * xmit 192.0.2.1
00999 call 2000 ip from any to any recv * xmit 192.0.2.1
$ ipfw -c list 930-990
00930 check-state :default
00940 check-state :any // all of them
00950 unreach needfrag 1400 ip from table(1) to table(foo,7)
00960 deny MAC any 00:11:22:00:00:00/24 mac-type 0x0800,0x0806 layer2
00970 allow tcp limit src-addr,dst-port 4 :web
00980 allow ip lookup dst-port ports tagged 5,7-9 frag !df,mf
00990 reset tcp tcpflags syn,!fin,!ack iptos lowdelay dscp af11,ef,63
$ ipfw -N list 905 960
00905 fwd 2001:db8::7,53 udp from any to any domain
00960 deny MAC any 00:11:22:00:00:00/24 mac-type ip,arp layer2
$ ipfw -b list 910 930
00910 allow // just a comment
00930 check-state :default // ...
`);
  });

  test('that make no sense are refused', async () => {
    await golden(`
$ ipfw add
! ipfw: missing action
[64]
$ ipfw add xx
! ipfw: invalid action xx
! 
[65]
$ ipfw add deny
! ipfw: missing protocol
[64]
$ ipfw add deny tcp from any
! ipfw: missing \`\`to''
[64]
$ ipfw add deny tcp any to any
! ipfw: missing \`\`from''
[64]
$ ipfw add deny tcp from nobody to any
! ipfw: hostname \`\`nobody'' unknown
[68]
$ ipfw add deny ip from 1.2.3.4/33 to any
! ipfw: bad width \`\`33''
[65]
$ ipfw add deny ip from { 1.2.3.4 or me to any
! ipfw: missing ")"
! 
[64]
$ ipfw add deny ip from { any or me } to any
! ipfw: invalid OR block
[65]
$ ipfw add deny ip from not any to any
! ipfw: not any never matches
[65]
$ ipfw add deny ip from any to any flying
! ipfw: unrecognised option [-1] flying
! 
[64]
$ ipfw add deny ip from any to any in not not out
! ipfw: double "not" not allowed
! 
[64]
$ ipfw add deny icmp from any to any icmptypes 40
! ipfw: ICMP type out of range
[65]
$ ipfw add allow tcp from any to any keep-state limit src-addr 3
! ipfw: only one of keep-state, record-state,  limit and set-limit is allowed
[64]
$ ipfw add allow tcp from any to any limit src-addr 65535
! ipfw: limit: argument is out of range (1..65534): 65535
[65]
$ ipfw add skipto 65535 ip from any to any
! ipfw: illegal argument 65535(65535) for skipto
[65]
$ ipfw add 65535 allow ip from any to any
! ipfw: getsockopt(IP_FW_XADD): Invalid argument
[69]
$ ipfw add allow ip from table(all) to any
! ipfw: Invalid table name: all
[65]
$ ipfw list
65535 allow ip from any to any
`);
  });

  test('that want what is not there are refused by name', async () => {
    await golden(`
$ ipfw add pipe 1 ip from any to any
! ipfw: pipe: there is no dummynet; shape traffic with the netgraph node pipe
[69]
$ ipfw pipe 1 config bw 1Mbit
! ipfw: pipe: there is no dummynet; shape traffic with the netgraph node pipe
[69]
$ ipfw add divert 8668 ip from any to any
! ipfw: divert: there are no divert sockets; use netgraph
[69]
$ ipfw add allow ip from any to any uid root
! ipfw: uid: packets have no users here
[69]
$ ipfw add allow ip from any to any diverted
! ipfw: diverted: there are no divert sockets
[69]
$ ipfw add nat64lsn x ip from any to any
! ipfw: nat64lsn: NAT64 is not built in
[69]
$ ipfw add allow altq q ip from any to any
! ipfw: altq: there is no ALTQ
[69]
$ ipfw nat64lsn x create
! ipfw: nat64lsn: not built in
[69]
`);
  });

  test('have counters, which are set to zero', async () => {
    await golden(`
$ ifconfig lo0 127.0.0.1/8
$ ipfw -q add 100 count ip from any to any
$ ipfw show
00100 0 0 count ip from any to any
65535 0 0 allow ip from any to any
$ ping -q -c 3 127.0.0.1
PING 127.0.0.1 (127.0.0.1): 56 data bytes

--- 127.0.0.1 ping statistics ---
3 packets transmitted, 3 packets received, 0.0% packet loss
round-trip min/avg/max/stddev = 0.000/0.000/0.000/0.000 ms
$ ipfw -a list
00100 12 1008 count ip from any to any
65535 12 1008 allow ip from any to any
$ ipfw -T list 100
00100 1700000002 count ip from any to any
$ ipfw -t list 100
00100 Tue Nov 14 22:13:22 2023 count ip from any to any
$ ipfw zero 100 101
Entry 100 cleared.
Entry 101 not found
[69]
$ ipfw show
00100  0    0 count ip from any to any
65535 12 1008 allow ip from any to any
$ ipfw zero
Accounting cleared.
$ ipfw resetlog 100
Entry 100 logging count reset.
$ ipfw resetlog
Logging counts reset.
$ ipfw zero all
! ipfw: invalid rule number \`\`all''
[64]
`);
  });
});

test('words may be shortened with a warning, joined at commas, and begin with the number', async () => {
  await golden(`
$ ipfw ad 6 allow ip f any to 1.2.3.4, 5.6.7.8
00006 allow ip from any to 1.2.3.4,5.6.7.8
! ipfw: DEPRECATED: 'ad' matched 'add' as a sub-string
! ipfw: DEPRECATED: 'f' matched 'from' as a sub-string
$ ipfw 7 add deny ip from any to any
00007 deny ip from any to any
$ ipfw "add 5 allow ip from any to 1.2.3.4,  5.6.7.8 # no"
00005 allow ip from any to 1.2.3.4,5.6.7.8
$ ipfw -n add deny ip from any to any
00000 deny ip from any to any
$ ipfw list
00005 allow ip from any to 1.2.3.4,5.6.7.8
00006 allow ip from any to 1.2.3.4,5.6.7.8
00007 deny ip from any to any
65535 allow ip from any to any
$ ipfw
! ipfw: usage: ipfw [options]
! do "ipfw -h" or "man ipfw" for details
[64]
$ ipfw -z list
! ipfw: illegal option -- z
! ipfw: usage: ipfw [options]
! do "ipfw -h" or "man ipfw" for details
[64]
$ ipfw foo
! ipfw: bad command \`foo'
[64]
`);
});

test('sets are disabled, moved, swapped and deleted', async () => {
  await golden(`
$ ipfw -S add 100 set 1 allow ip from any to any
00100 set 1 allow ip from any to any
$ ipfw -q add 200 set 2 deny ip from any to any
$ ipfw -q add 300 set 31 count ip from any to any
$ ipfw set disable 1 3
$ ipfw set show
disable 1 3 enable 0 2 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
$ ipfw list
00200 deny ip from any to any
00300 count ip from any to any
65535 allow ip from any to any
$ ipfw -S list
# DISABLED 00100 set 1 allow ip from any to any
00200 set 2 deny ip from any to any
00300 set 31 count ip from any to any
65535 set 31 allow ip from any to any
$ ipfw set swap 1 2
$ ipfw set move rule 300 to 5
$ ipfw set move 5 to 6
$ ipfw set enable 1 3
$ ipfw set show
enable 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30
$ ipfw -S list
00100 set 2 allow ip from any to any
00200 set 1 deny ip from any to any
00300 set 6 count ip from any to any
65535 set 31 allow ip from any to any
$ ipfw set 6 list
00300 count ip from any to any
$ ipfw delete set 6
$ ipfw set 2 flush
Flushed all rules.
$ ipfw add 400 set 31 count ip from any to any
00400 count ip from any to any
$ ipfw -q flush
$ ipfw list
00400 count ip from any to any
65535 allow ip from any to any
$ ipfw set move 32 to 1
! ipfw: invalid source number 32
! 
[65]
$ ipfw set disable 1 enable 1
! ipfw: cannot enable and disable the same set
! 
[65]
`);
});

test('tables of each kind, and what goes wrong with them', async () => {
  await golden(`
$ ipfw table 1 add 10.0.0.0/8 5
added: 10.0.0.0/8 5
! ipfw: DEPRECATED: inserting data into non-existent table 1. (auto-created)
$ ipfw table 1 add 1.2.3.4
added: 1.2.3.4/32 0
$ ipfw table 1 delete 1.2.3.4
deleted: 1.2.3.4/32 0
$ ipfw table nets create type addr valtype skipto,nat limit 2
$ ipfw table nets add 2001:db8::/32 100,7 10.1.0.0/16 200
added: 2001:db8::/32 100,7
added: 10.1.0.0/16 200,200
$ ipfw table nets add 10.2.0.0/16 1
limit: 10.2.0.0/16 1,1
! ipfw: Adding record failed: limit hit
[71]
$ ipfw table nets lookup 10.1.2.3
10.1.0.0/16 200,200
$ ipfw table nets lookup 10.9.2.3
! ipfw: Entry 10.9.2.3 not found
[69]
$ ipfw table nets list
10.1.0.0/16 200,200
2001:db8::/32 100,7
$ ipfw table nets info
--- table(nets), set(0) ---
 kindex: 2, type: addr
 references: 0, valtype: skipto,nat
 algorithm: addr:radix
 items: 2, size: 536
 limit: 2
$ ipfw table ifs create type iface
$ ipfw table ifs add epair0a 1 lo0 2
added: epair0a 1
added: lo0 2
$ ipfw table ports create type number
$ ipfw table ports add 80 1 443 2
added: 80 1
added: 443 2
$ ipfw table flows create type flow:src-ip,proto,dst-port
$ ipfw table flows add 10.0.0.1,tcp,http 3
added: 10.0.0.1,6,80 3
$ ipfw table macs create type mac
$ ipfw table macs add 00:11:22:00:00:00/24 4
added: 00:11:22:00:00:00/24 4
$ ipfw table all list
--- table(1), set(0) ---
10.0.0.0/8 5
--- table(ifs), set(0) ---
epair0a 1
lo0 2
--- table(macs), set(0) ---
00:11:22:00:00:00/24 4
--- table(nets), set(0) ---
10.1.0.0/16 200,200
2001:db8::/32 100,7
--- table(flows), set(0) ---
10.0.0.1,6,80 3
--- table(ports), set(0) ---
80 1
443 2
$ ipfw -i table 1 list
10.0.0.0/8 0.0.0.5
$ ipfw table 1 add 10.0.0.0/8 6
exists: 10.0.0.0/8 6
! ipfw: Adding record failed: record already exists
[71]
$ ipfw -q table 1 add 10.0.0.0/8 6
$ ipfw table 1 atomic add 10.3.0.0/16 1 10.0.0.0/8 1
added(reverted): 10.3.0.0/16 1
exists: 10.0.0.0/8 1
! ipfw: Adding record failed: record already exists
[71]
$ ipfw table 1 list
10.0.0.0/8 6
$ ipfw table 1 lock
$ ipfw table 1 flush
! ipfw: failed to flush table 1 info: Permission denied
[71]
$ ipfw table 1 unlock
$ ipfw -q add 100 deny ip from table(1) to any
$ ipfw table 1 destroy
! ipfw: failed to destroy table 1: Device busy
[71]
$ ipfw table 1 swap nets
! ipfw: Unable to swap table: check types
[64]
$ ipfw table 2 create
$ ipfw table 1 swap 2
$ ipfw table 2 list
10.0.0.0/8 6
$ ipfw table 2 create missing
$ ipfw table 2 create type iface missing
! ipfw: The existing table is not compatible with one you are creating.
[65]
$ ipfw table 2 create
! ipfw: Table creation failed: File exists
[71]
$ ipfw table 2 destroy
$ ipfw table 2 destroy
! ipfw: failed to destroy table 2: No such process
$ ipfw table 2 delete 1.2.3.4
! ipfw: Table 2 does not exist
[65]
$ ipfw table 1 l
! ipfw: ambiguous table command l
[64]
$ ipfw table a/b list
! ipfw: table name a/b is invalid
[64]
$ ipfw table x create type fruit
! ipfw: Unknown tabletype: fruit. Supported: addr, mac, iface, number, flow
[64]
`);
});

test('nat is configured, shown and deleted', async () => {
  await golden(`
$ ipfw nat 7 config if lo0 same_ports reset redirect_port tcp 10.0.0.2:80 8080 redirect_addr 10.0.0.3 192.0.2.9
ipfw nat 7 config if lo0 same_ports reset redirect_port tcp 10.0.0.2:80 8080 redirect_addr 10.0.0.3 192.0.2.9
$ ipfw nat 123 config ip 192.0.2.1 deny_in log redirect_port udp 10.0.0.1:53,10.0.0.2:53 192.0.2.1:domain redirect_proto gre 10.0.0.5 192.0.2.1 203.0.113.9
ipfw nat 123 config ip 192.0.2.1 log deny_in redirect_port udp 10.0.0.1:53,10.0.0.2:53 192.0.2.1:53 redirect_proto gre 10.0.0.5 192.0.2.1 203.0.113.9
$ ipfw nat 8 config ip 192.0.2.2 redirect_port tcp 10.0.0.2:100-104 200-204 203.0.113.1:300-304
ipfw nat 8 config ip 192.0.2.2 redirect_port tcp 10.0.0.2:100-104 200-204 203.0.113.1:300-304
$ ipfw nat show config
ipfw nat 7 config if lo0 same_ports reset redirect_port tcp 10.0.0.2:80 8080 redirect_addr 10.0.0.3 192.0.2.9
ipfw nat 8 config ip 192.0.2.2 redirect_port tcp 10.0.0.2:100-104 200-204 203.0.113.1:300-304
ipfw nat 123 config ip 192.0.2.1 log deny_in redirect_port udp 10.0.0.1:53,10.0.0.2:53 192.0.2.1:53 redirect_proto gre 10.0.0.5 192.0.2.1 203.0.113.9
$ ipfw nat show log
nat 123: icmp=0, udp=1, tcp=0, sctp=0, pptp=0, proto=1, frag_id=0 frag_ptr=0 / tot=2
$ ipfw nat 8 show config
ipfw nat 8 config ip 192.0.2.2 redirect_port tcp 10.0.0.2:100-104 200-204 203.0.113.1:300-304
$ ipfw nat show
! ipfw: Please specify action. Available: config,log
[64]
$ ipfw nat 9 show config
! ipfw: Error getting nat 9 instance info: No such process
[71]
$ ipfw nat 8 delete
$ ipfw nat 8 delete
! ipfw: nat 8 not available: No such process
$ ipfw nat 9 config ip 1.2.3.4 port_range 100-200
! ipfw: You need a range of port(s) from 1024 <= x < 65536
[65]
$ ipfw nat 9 config ip 1.2.3.4 same_ports port_range 2000-3000
! ipfw: same_ports and port_range cannot both be selected
[65]
$ ipfw nat 9 config if nosuch0
! ipfw: unknown interface name nosuch0
[1]
$ ipfw nat 9 config ip 1.2.3.4 redirect_port tcp 10.0.0.1:80-82 90
! ipfw: redirect_port: port ranges must be equal in size
[65]
$ ipfw nat 0 config ip 1.2.3.4
! ipfw: illegal nat id: 0
[65]
$ ipfw nat 9 config ip 1.2.3.4 fast
! ipfw: unrecognised option \`\`fast''
[65]
`);
});

describe('a script', () => {
  test('is a command a line; its first error ends it', async () => {
    const lab = new ToolLab();
    lab.files.set('/etc/rules', '# rules\n-q flush\nadd 100 allow ip from any to any via lo0 # loopback\n\nadd 200 deny ip from any to 1.2.3.4,\t5.6.7.8\ntable 1 create\nadd 300 bogus\nadd 400 count ip from any to any\n');
    expect(await lab.sh('ipfw -q /etc/rules')).toEqual({ stdout: '', stderr: 'Line 7: invalid action bogus\n\n', exit: 65 });
    expect(await lab.ok('ipfw list')).toBe('00100 allow ip from any to any via lo0\n00200 deny ip from any to 1.2.3.4,5.6.7.8\n65535 allow ip from any to any');
  });

  test('that is not there, or has options it cannot have', async () => {
    const lab = new ToolLab();
    lab.files.set('/etc/rules', '');
    expect(await lab.sh('ipfw /no/rules')).toMatchObject({ stderr: 'ipfw: pathname: /no/rules: No such file or directory\n', exit: 64 });
    expect(await lab.sh('ipfw -p cpp /etc/rules')).toMatchObject({ stderr: 'ipfw: -p: there are no preprocessors; run it before\n', exit: 69 });
    expect(await lab.sh('ipfw add /etc/rules')).toMatchObject({ stderr: 'ipfw: extraneous filename arguments /etc/rules\n', exit: 64 });
    expect(await lab.sh('ipfw -d /etc/rules')).toMatchObject({ exit: 64 });
  });
});

test('flush asks at a terminal', async () => {
  const lab = new ToolLab();
  await lab.ok('ipfw -q add 100 count ip from any to any');
  const flush = (stdin: string): ReturnType<ToolLab['sh']> => lab.sh('ipfw flush', { stdin, tty: true });
  expect(await flush('x\nno\n')).toEqual({ stdout: 'Are you sure? [yn] \n', stderr: '', exit: 0 });
  expect(await flush('')).toEqual({ stdout: 'Are you sure? [yn] ', stderr: '', exit: 0 });
  expect((await lab.sh('ipfw delete 5', { tty: true })).exit).toBe(69);
  expect(await lab.ok('ipfw list')).toContain('00100');
  expect(await flush('yes\n')).toEqual({ stdout: 'Are you sure? [yn] \nFlushed all rules.\n', stderr: '', exit: 0 });
  expect(await lab.ok('ipfw list')).toBe('65535 allow ip from any to any');
});

test('switches are sysctls, and the default rule follows one', async () => {
  await golden(`
$ ipfw disable firewall
$ sysctl net.inet.ip.fw.enable net.inet6.ip6.fw.enable
net.inet.ip.fw.enable: 0
net.inet6.ip6.fw.enable: 0
$ ipfw enable firewall
$ ipfw disable one_pass
$ sysctl -n net.inet.ip.fw.one_pass
0
$ sysctl net.inet.ip.fw.default_to_accept=0
net.inet.ip.fw.default_to_accept: 1 -> 0
$ ipfw list
65535 deny ip from any to any
$ ipfw enable
! ipfw: missing keyword to enable/disable
! 
$ ipfw enable warp
! ipfw: unrecognize enable/disable keyword: warp
! 
$ kldstat -q -m ipfw
$ kldload -n ipfw_nat
`);
});

test('a jail without a network of its own has no firewall to change', async () => {
  const lab = new ToolLab();
  await lab.ok('jail -c name=plain persist');
  expect(await lab.sh('ipfw add allow ip from any to any', { jail: 'plain' })).toEqual({ stdout: '', stderr: 'ipfw: socket: Operation not permitted\n', exit: 69 });
  await lab.ok('jail -c name=own vnet persist');
  await lab.ok('ipfw -q add 10 deny ip from any to any', { jail: 'own' });
  expect(await lab.ok('ipfw list')).toBe('65535 allow ip from any to any');
});
