/**
 * tc.test.ts — tc and ip link: what they say, and what they refuse, in iproute2's words.
 */
import { beforeEach, describe, expect, it, test } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';
import { parseSize, parseU32, sizeText } from './tc-args.js';

let lab: ToolLab;

beforeEach(async () => {
  lab = new ToolLab();
  await lab.ok('ip link add ifb0 type ifb');
  await lab.ok('ip link set ifb0 up');
  await lab.ok('ifconfig epair create up');
});

const redirect = 'action mirred egress redirect dev ifb0';

describe('refusals', () => {
  test.each<[string, string, number]>([
    ['tc qdisc del dev ifb0 root', 'Error: Cannot delete qdisc with handle of zero.\n', 2],
    ['tc qdisc del dev epair0a ingress', 'Error: Cannot find specified qdisc on specified device.\n', 2],
    ['tc qdisc change dev ifb0 root plug block', 'Error: Qdisc not found. To create specify NLM_F_CREATE flag.\n', 2],
    ['tc qdisc add dev ifb0 root netem delay 10ms', 'Unknown qdisc "netem", hence option "delay" is unparsable\n', 1],
    ['tc qdisc add dev ifb0 root netem', 'Error: Specified qdisc kind is unknown.\n', 2],
    ['tc qdisc add dev ifb9 root plug', 'Cannot find device "ifb9"\n', 1],
    ['tc qdisc add root plug', 'RTNETLINK answers: No such device\n', 2],
    ['tc qdisc add dev ifb0 root plug limit x', 'Illegal value for "limit": "x"\n', 1],
    ['tc qdisc add dev ifb0 root plug hold', 'plug: unknown parameter "hold"\nUsage: ... plug [block | release | release_indefinite | limit NUMBER]\n', 1],
    ['tc qdisc add dev ifb0 root ingress', 'Error: "ingress" is a duplicate parent ID\n', 255],
    ['tc qdisc add dev ifb0 ingress root', 'What is "root"?\nUsage: ... ingress\n', 1],
    ['tc qdisc add dev', 'Command line is not complete. Try option "help"\n', 255],
    ['tc qdisc add dev ifb0 parent x plug', 'Error: argument "x" is wrong: invalid parent ID\n', 255],
    ['tc qdisc add dev ifb0 parent 7: plug', 'Error: Failed to find specified qdisc.\n', 2],
    ['tc qdisc add dev ifb0 dev ifb0', 'Error: duplicate "dev": "ifb0" is the second value.\n', 255],
    ['tc qdisc frob', 'Command "frob" is unknown, try "tc qdisc help".\n', 255],
    ['tc qdisc show dev ifb0 frob', 'What is "frob"? Try "tc qdisc help".\n', 255],
    ['tc class show', 'Object "class" is not built in: there are qdisc and filter.\n', 255],
    ['tc frob', 'Object "frob" is unknown, try "tc help".\n', 255],
    ['tc -x qdisc', 'Option "-x" is unknown, try "tc -help".\n', 255],
    ['tc filter add dev epair0a parent ffff: matchall drop', 'What is "drop"?\n', 1],
    [`tc filter add dev epair0a parent ffff: matchall ${redirect}`, 'Error: Parent Qdisc doesn\'t exists.\nWe have an error talking to the kernel\n', 2],
    [`tc filter add dev epair0a matchall ${redirect}`, 'Error: Qdisc not classful.\nWe have an error talking to the kernel\n', 2],
    ['tc filter show', 'Must specify netdevice "dev" or block index "block"\n', 255],
    ['tc -b nothing', 'Cannot open file "nothing" for reading: No such file or directory\n', 1],
    ['ip link set ifb9 up', 'Cannot find device "ifb9"\n', 1],
    ['ip link set ifb0 master br0', 'ip link set: "master" is not built in: use ifconfig\n', 255],
    ['ip link add ifb0 type ifb', 'RTNETLINK answers: File exists\n', 2],
    ['ip link add ifb1 type vxlan', 'Error: Unknown device type.\nip link add makes ifb, bridge, dummy; others are made with ifconfig.\n', 2],
    ['ip link del lo0', 'RTNETLINK answers: Operation not supported\n', 2],
    ['ip link show dev ifb9', 'Device "ifb9" does not exist.\n', 1],
    ['ip link set', 'Not enough information: "dev" argument is required.\n', 255],
    ['ip link del', 'Not enough information: "dev" argument is required.\n', 255],
    ['ip link add ifb1', 'Not enough information: "type" argument is required\n', 1],
    ['ip link set ifb0 address zz', '"zz" is invalid lladdr.\n', 1],
    ['ip addr show', 'Object "addr" is not built in: use ifconfig\n', 1],
    ['ip frob', 'Object "frob" is unknown, try "ip help".\n', 1],
  ])('%s', async (line, stderr, exit) => {
    const ran = await lab.sh(line);
    expect([ran.stdout, ran.stderr.startsWith(stderr) ? stderr : ran.stderr, ran.exit]).toEqual(['', stderr, exit]);
  });

  it('of an ingress that was there, and of a second one', async () => {
    await lab.ok('tc qdisc add dev epair0a ingress');
    expect((await lab.sh('tc qdisc add dev epair0a ingress')).stderr).toBe('Error: Exclusivity flag on, cannot modify.\n');
    expect((await lab.sh('tc qdisc add dev epair0a handle ffff: ingress')).stderr).toBe('Error: Exclusivity flag on, cannot modify.\n');
    await lab.ok('tc qdisc del dev epair0a ingress');
    expect((await lab.sh('tc qdisc del dev epair0a ingress')).stderr).toBe('Error: Invalid handle.\n');
  });

  it('of actions and matches', async () => {
    await lab.ok('tc qdisc add dev epair0a ingress');
    const stderr = async (words: string): Promise<string> => (await lab.sh(`tc filter add dev epair0a parent ffff: ${words}`)).stderr;
    expect(await stderr('matchall action mirred egress redirect dev ifb9')).toBe('Cannot find device "ifb9"\nbad action parsing\nparse_action: bad value (5:mirred)!\nIllegal "action"\n');
    expect(await stderr('matchall action police rate 1mbit')).toBe('Action "police" is not built in: there are mirred, drop and pass\nbad action parsing\nparse_action: bad value (3:police)!\nIllegal "action"\n');
    expect(await stderr('u32 match u32 0')).toBe('Illegal "match"\n');
    expect(await stderr('u32 match ip src 10.0.0.0/8 match ip src 11.0.0.0/8 action drop')).toBe('Illegal "match"\n');
    expect(await stderr('u32 match u32 0 0 at 2 action drop')).toBe('Illegal "match"\n');
    expect(await stderr('u32 action drop')).toBe('Error: cls_u32: Selector not specified.\nWe have an error talking to the kernel\n');
    expect(await stderr('prio 70000 matchall')).toBe('Error: argument "70000" is wrong: invalid priority value\n');
    expect(await stderr('flower')).toBe('Error: TC classifier not found.\nWe have an error talking to the kernel\n');
    expect(await stderr(`prio 5 matchall ${redirect}`)).toBe('');
    expect(await stderr(`prio 5 matchall ${redirect}`)).toBe('RTNETLINK answers: File exists\nWe have an error talking to the kernel\n');
    expect((await lab.sh('tc filter del dev epair0a parent ffff: matchall')).stderr).toBe('Error: Cannot flush filters with protocol, handle or kind set.\nWe have an error talking to the kernel\n');
    expect((await lab.sh('tc filter del dev epair0a parent ffff: prio 6')).stderr).toBe('Error: Filter with specified priority/protocol not found.\nWe have an error talking to the kernel\n');
  });

  it('of a jail that does not own its network', async () => {
    await lab.ok('jail -c name=j persist');
    expect(await lab.sh('tc qdisc add dev ifb0 root plug', { jail: 'j' })).toEqual({ exit: 2, stdout: '', stderr: 'RTNETLINK answers: Operation not permitted\n' });
    expect((await lab.sh('ip link set ifb0 down', { jail: 'j' })).stderr).toBe('RTNETLINK answers: Operation not permitted\n');
  });
});

describe('what is shown', () => {
  it('disciplines of all interfaces, by number, and of some', async () => {
    await lab.ok('tc qdisc add dev epair0a ingress');
    await lab.ok('tc qdisc add dev ifb0 root handle 7: plug');
    expect(await lab.session(`
$ tc qdisc
$ tc qdisc show root
$ tc qdisc show dev epair0a ingress
$ tc qdisc show handle 7:
$ tc -s qdisc show dev epair0a
`)).toBe(`$ tc qdisc
qdisc noqueue 0: dev lo0 root refcnt 2 
qdisc plug 7: dev ifb0 root refcnt 2 
qdisc noqueue 0: dev epair0a root refcnt 2 
qdisc ingress ffff: dev epair0a parent ffff:fff1 ---------------- 
qdisc noqueue 0: dev epair0b root refcnt 2 
$ tc qdisc show root
qdisc noqueue 0: dev lo0 root refcnt 2 
qdisc plug 7: dev ifb0 root refcnt 2 
qdisc noqueue 0: dev epair0a root refcnt 2 
qdisc noqueue 0: dev epair0b root refcnt 2 
$ tc qdisc show dev epair0a ingress
qdisc ingress ffff: parent ffff:fff1 ---------------- 
$ tc qdisc show handle 7:
qdisc plug 7: dev ifb0 root refcnt 2 
$ tc -s qdisc show dev epair0a
qdisc noqueue 0: root refcnt 2 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
qdisc ingress ffff: parent ffff:fff1 ---------------- 
 Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
 backlog 0b 0p requeues 0
`);
  });

  it('filters with their matches and actions', async () => {
    for (const words of [
      'qdisc add dev epair0a ingress',
      'filter add dev epair0a ingress protocol ip prio 3 u32 match ip src 10.0.0.0/8 match ip dport 80 0xffff match ip sport 1024 0xfc00 match ip protocol 6 0xff flowid 1:2 action drop',
      'filter add dev epair0a ingress protocol ipv6 prio 4 handle 800::5 u32 match ip6 dst 2001:db8::/40 match tcp dst 22 0xffff action pass',
      'filter add dev epair0a parent ffff: protocol all prio 9 matchall action mirred egress mirror dev epair0b action mirred egress redirect dev ifb0',
    ]) await lab.ok(`tc ${words}`);
    await lab.advance(3_000_000);
    expect(await lab.session(`
$ tc filter show dev epair0a ingress
$ tc -s filter show dev epair0a ingress prio 9
`)).toBe(`$ tc filter show dev epair0a ingress
filter protocol ip pref 3 u32 chain 0 
filter protocol ip pref 3 u32 chain 0 fh 800: ht divisor 1 
filter protocol ip pref 3 u32 chain 0 fh 800::800 order 2048 key ht 800 bkt 0 flowid 1:2 not_in_hw 
  match 0a000000/ff000000 at 12
  match 04000050/fc00ffff at 20
  match 00060000/00ff0000 at 8
	action order 1: gact action drop
	 random type none pass val 0
	 index 1 ref 1 bind 1

filter protocol ipv6 pref 4 u32 chain 0 
filter protocol ipv6 pref 4 u32 chain 0 fh 800: ht divisor 1 
filter protocol ipv6 pref 4 u32 chain 0 fh 800::5 order 5 key ht 800 bkt 0 terminal flowid not_in_hw 
  match 20010db8/ffffffff at 24
  match 00000000/ff000000 at 28
  match 00000016/0000ffff at nexthdr+0
	action order 1: gact action pass
	 random type none pass val 0
	 index 2 ref 1 bind 1

filter protocol all pref 9 matchall chain 0 
filter protocol all pref 9 matchall chain 0 handle 0x1 
  not_in_hw
	action order 1: mirred (Egress Mirror to device epair0b) pipe
	index 3 ref 1 bind 1

	action order 2: mirred (Egress Redirect to device ifb0) stolen
	index 4 ref 1 bind 1

$ tc -s filter show dev epair0a ingress prio 9
filter protocol all matchall chain 0 
filter protocol all matchall chain 0 handle 0x1 
  not_in_hw
	action order 1: mirred (Egress Mirror to device epair0b) pipe
	index 3 ref 1 bind 1 installed 3 sec used 3 sec
	Action statistics:
	Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
	backlog 0b 0p requeues 0

	action order 2: mirred (Egress Redirect to device ifb0) stolen
	index 4 ref 1 bind 1 installed 3 sec used 3 sec
	Action statistics:
	Sent 0 bytes 0 pkt (dropped 0, overlimits 0 requeues 0) 
	backlog 0b 0p requeues 0

`);
  });

  it('as JSON', async () => {
    await lab.ok('tc qdisc add dev ifb0 root plug');
    await lab.ok('tc qdisc add dev epair0a ingress');
    await lab.ok(`tc filter add dev epair0a parent ffff: protocol ip pref 10 u32 match u32 0 0 ${redirect}`);
    expect(JSON.parse(await lab.ok('tc -s -j qdisc show dev ifb0'))).toEqual([
      { kind: 'plug', handle: '8001:', root: true, refcnt: 2, options: {}, bytes: 0, packets: 0, drops: 0, overlimits: 0, requeues: 0, backlog: 0, qlen: 0 },
    ]);
    expect(JSON.parse(await lab.ok('tc -j filter show dev epair0a parent ffff:'))[2]).toEqual({
      protocol: 'ip', pref: 10, kind: 'u32', chain: 0,
      options: {
        fh: '800::800', order: 2048, key_ht: '800', bkt: '0', not_in_hw: true, match: [{ value: '0', mask: '0', offmask: '', off: 0 }],
        actions: [{ order: 1, kind: 'mirred', mirred_action: 'redirect', direction: 'egress', to_dev: 'ifb0', control_action: { type: 'stolen' }, index: 1, ref: 1, bind: 1 }],
      },
    });
    expect(JSON.parse(await lab.ok('ip -j link show ifb0'))[0]).toMatchObject({ ifname: 'ifb0', flags: ['BROADCAST', 'NOARP', 'UP', 'LOWER_UP'], mtu: 1_500, qdisc: 'plug', txqlen: 32, link_type: 'ether' });
  });
});

describe('the plug', () => {
  it('options at creation are the limit and nothing else: `block` makes one that has no room', async () => {
    await lab.ok('ifconfig epair1 create up');
    await lab.ok('ifconfig epair1a 192.0.2.1/24');
    await lab.ok('arp -s 192.0.2.9 2:0:0:0:0:9');
    await lab.ok('tc qdisc add dev epair1a root plug block');
    await lab.sh('ping -c 1 -t 1 192.0.2.9');
    expect(await lab.ok('tc -s qdisc show dev epair1a')).toContain('(dropped 1, overlimits 0 requeues 0) \n backlog 0b 0p');
    await lab.ok('tc qdisc replace dev epair1a root plug limit 1kb');
    await lab.sh('ping -c 1 -t 1 -s 900 192.0.2.9');
    await lab.ok('tc qdisc change dev epair1a root plug limit 2kb');
    await lab.sh('ping -c 3 -i 0.1 -t 1 -s 900 192.0.2.9');
    // `replace` of the same kind without a handle changes the one there is.
    expect(await lab.ok('tc -s qdisc show dev epair1a')).toBe('qdisc plug 8001: root refcnt 2 \n Sent 0 bytes 0 pkt (dropped 3, overlimits 0 requeues 0) \n backlog 1884b 2p requeues 0');
    expect(await lab.ok('netstat -I epair1a -d')).toMatch(/ 3$/m);
  });

  it('its default limit is what Linux lets wait at an ifb', async () => {
    await lab.ok('ifconfig epair0a 192.0.2.1/24');
    await lab.ok('ifconfig epair0b up');
    await lab.ok('arp -s 192.0.2.9 2:0:0:0:0:9');
    await lab.ok('tc qdisc add dev ifb0 root plug');
    await lab.ok('tc qdisc add dev epair0b ingress');
    await lab.ok(`tc filter add dev epair0b parent ffff: matchall ${redirect}`);
    // 32 frames of 1,514 bytes.
    await lab.sh('ping -c 33 -i 0.01 -t 2 -s 1472 192.0.2.9');
    expect(await lab.ok('tc -s qdisc show dev ifb0')).toContain('(dropped 1, overlimits 0 requeues 0) \n backlog 48448b 32p');
  });
});

describe('-batch', () => {
  const script = `# a comment
qdisc add dev ifb0 root plug limit 4mb
qdisc change dev ifb0 \\
  root plug block

qdisc change dev ifb9 root plug block
qdisc del dev ifb0 root
`;

  it('stops at the first that fails', async () => {
    lab.files.set('/script', script);
    expect(await lab.sh('tc -batch /script')).toEqual({ exit: 1, stdout: '', stderr: 'Cannot find device "ifb9"\nCommand failed /script:6\n' });
    expect(await lab.ok('tc qdisc show dev ifb0')).toContain('plug');
  });

  it('goes on with -force, and reads standard input', async () => {
    expect((await lab.sh('tc -force -b -', { stdin: script })).exit).toBe(1);
    expect(await lab.ok('tc qdisc show dev ifb0')).toContain('noqueue');
  });
});

describe('ip link', () => {
  it('makes, shows, changes and deletes', async () => {
    expect(await lab.session(`
$ ip link add name buffer0 type ifb
$ ip link set dev buffer0 up mtu 9000 alias held
$ ip link show type ifb
$ ip link set buffer0 name plug0 down
$ ip link show plug0
$ ip link del dev plug0 type ifb
$ ip link show plug0
`)).toBe(`$ ip link add name buffer0 type ifb
$ ip link set dev buffer0 up mtu 9000 alias held
$ ip link show type ifb
2: ifb0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 1500 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 32
    link/ether MAC brd ff:ff:ff:ff:ff:ff
5: buffer0: <BROADCAST,NOARP,UP,LOWER_UP> mtu 9000 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 32
    link/ether MAC brd ff:ff:ff:ff:ff:ff
    alias held
$ ip link set buffer0 name plug0 down
$ ip link show plug0
5: plug0: <BROADCAST,NOARP> mtu 9000 qdisc noqueue state DOWN mode DEFAULT group default qlen 32
    link/ether MAC brd ff:ff:ff:ff:ff:ff
    alias held
$ ip link del dev plug0 type ifb
$ ip link show plug0
! Device "plug0" does not exist.
[1]
`);
  });
});

test('numbers and sizes', () => {
  expect(['10', '0x1F', '017', '08', '', '-1', '4294967296'].map((text) => parseU32(text))).toEqual([10, 31, 15, null, null, null, null]);
  expect(['ff', '0xFF', 'g'].map((text) => parseU32(text, 16))).toEqual([255, 255, null]);
  expect(['4mb', '100', '1.5k', '2Kbit', '4294967295', '1.5', '1e3', '5g', 'kb', '-1'].map(parseSize)).toEqual([4_194_304, 100, 1_536, 256, 4_294_967_295, 1, 1_000, null, null, null]);
  expect([0, 1_023, 1_024, 5_000, 5_120, 4_194_304].map(sizeText)).toEqual(['0b', '1023b', '1Kb', '5000b', '5Kb', '4Mb']);
});
