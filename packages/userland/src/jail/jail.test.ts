/**
 * jail.test.ts — jail, jexec and jls: the order of steps, the way back, what is printed, who may what.
 */
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

const WEB = `
exec.start = "echo start \${name}";
exec.stop = "echo stop \${name}";
vnet;
web {
  host.hostname = "$name.example"; path = /jails/$name; children.max = 2; persist;
  exec.prepare = "echo prepare"; exec.prestart = "echo prestart"; exec.created = "echo created";
  exec.poststart = "echo poststart", "echo ready";
  exec.prestop = "echo prestop"; exec.poststop = "echo poststop"; exec.release = "echo release";
  vnet.interface = epair0b, epair1b;
  kid { persist; exec.start = "ifconfig -l; printenv NETLOOM_JAIL"; }
}
db { depend = web; novnet; persist; command = "echo cmd"; exec.clean; mount.devfs; }
`;

async function web(): Promise<ToolLab> {
  const lab = new ToolLab();
  lab.files.set('/etc/jail.conf', WEB);
  for (let i = 0; i < 2; i++) await lab.ok('ifconfig epair create');
  return lab;
}

async function golden(lab: ToolLab, session: string): Promise<void> {
  const text = session.replace(/^\n/, '');
  expect(await lab.session(text)).toBe(text);
}

describe('configuration files', () => {
  it('starts and stops in order, dependencies first', async () => {
    await golden(await web(), `
$ jail -c
prepare
prestart
web: created
created
web.kid: created
lo0
web.kid
start web
poststart
ready
db: created
start db
cmd
$ jexec web ifconfig -l
lo0 epair0b epair1b
$ jail -c
$ jail -c web
! jail: "web" already exists
[1]
$ jls
   JID  IP Address      Hostname                      Path
     1                  web.example                   /jails/web
     2                                                /
     3                                                /
$ jail -rc db
stop db
db: removed
db: created
start db
cmd
$ jail -r web
stop db
stop web.kid
db: removed
web.kid: removed
prestop
stop web
web: removed
poststop
release
$ jail -r web
! jail: "web" not found
[1]
$ jail -r nosuch
! jail: "nosuch" not found
[1]
$ jail -r *
$ ifconfig -l
lo0 epair0a epair1a epair0b epair1b
`);
  });

  it('starts what a jail depends on and nothing else', async () => {
    const lab = await web();
    expect(await lab.ok('jail -qc db')).toBe('prepare\nprestart\ncreated\nstart web\npoststart\nready\nstart db\ncmd');
    expect(await lab.ok('jls name')).toBe('web\ndb');
  });

  it('says everything with -v', async () => {
    const lab = await web();
    await lab.ok('jail -qc web');
    await golden(lab, `
$ jail -vc db
db: mount.devfs: ignored: jails have no file systems here
db: exec.clean: ignored: its PATH would not have these tools
db: jail_set(JAIL_CREATE) name=db novnet persist
db: created
db: run command in jail: echo start db
start db
db: run command in jail: echo cmd
cmd
$ jail -vr db
db: run command in jail: echo stop db
stop db
db: removed
`);
  });

  it('skips what cannot be started, and tells the rest', async () => {
    const lab = new ToolLab();
    lab.files.set('/jc', 'persist; a { } b { depend = a; exec.start = "false"; } c { depend = b; } d { depend = c; } e { depend = nosuch; } f { x = 1; } g { }');
    await golden(lab, `
$ jail -f /jc -c
a: created
g: created
b: created
b: removed
! jail: e: depends on undefined jail "nosuch"
! jail: f: unknown parameter: x
! jail: b: false: failed
! jail: c: skipped
! jail: d: skipped
[1]
$ jls -n name
name=a
name=g
`);
  });

  it('finds loops before anything runs', async () => {
    const lab = new ToolLab();
    lab.files.set('/jc', 'persist; a { depend = b; } b { depend = a; } c { }');
    await golden(lab, `
$ jail -f /jc -c
c: created
! jail: a: dependency loop
! jail: b: skipped
[1]
`);
  });

  it('changes running jails', async () => {
    const lab = await web();
    await lab.ok('jail -qc web');
    lab.files.set('/etc/jail.conf', WEB.replace('$name.example', 'new.example').replace('children.max = 2', 'children.max = 5'));
    await golden(lab, `
$ jail -m web
web: updated
$ jls -j web host.hostname children.max
new.example 5
$ jail -cm nosuch
! jail: "nosuch" not found
[1]
`);
    lab.files.set('/etc/jail.conf', WEB.replace('/jails/$name', '/elsewhere'));
    await golden(lab, `
$ jail -m web
! jail: web: path cannot be changed after creation
[1]
$ jail -qrm web
prestop
stop web
poststop
release
prepare
prestart
created
start web
poststart
ready
$ jls -j web path
/elsewhere
`);
  });

  it('stops a jail whose command does not end in time', async () => {
    const lab = new ToolLab();
    lab.files.set('/jc', 'a { persist; exec.timeout = 2; exec.start = "sleep 60"; } b { persist; stop.timeout = 3; }');
    await golden(lab, `
$ jail -f /jc -c a
a: created
a: removed
! jail: a: sleep 60: timed out
[1]
$ jail -f /jc -qc b
`);
    const sleeper = lab.start('jexec b sleep 1000');
    const before = lab.kernel.now;
    expect(await lab.ok('jail -f /jc -vr b')).toBe('b: sent SIGTERM to: 104\nb: removed');
    expect(lab.kernel.now - before).toBeLessThan(100_000);
    expect((await sleeper.done).exit).toBe(143);
  });
});

describe('the command line', () => {
  it('undoes what it did when a step fails', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    await golden(lab, `
$ jail -c name=w vnet persist vnet.interface=epair0b vnet.interface=nosuch
! ifconfig: interface nosuch does not exist
! jail: /sbin/ifconfig nosuch vnet w: failed
[1]
$ jail -c name=w vnet vnet.interface=epair0b exec.start=false persist exec.poststop="echo no"
! jail: false: failed
[1]
$ jail -c name=w vnet vnet.interface=epair0b exec.start=nosuchprogram persist
! jail: exec nosuchprogram: No such file or directory
! jail: nosuchprogram: failed
[1]
$ jail -c name=w ip4.addr="epair0a|10.0.0.9/24" command=false
! jail: false: failed
[1]
$ ifconfig -l
lo0 epair0a epair0b
$ ifconfig -l inet

$ jls
   JID  IP Address      Hostname                      Path
`);
  });

  it('sets the addresses of both families on their interfaces, and removes them', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    const addresses = async (): Promise<string[]> => (await lab.ok('ifconfig -f inet6:cidr,inet:cidr -a')).match(/^epair\w+|\tinet6? (?!fe80|::1)[^ \n]+/gm) ?? [];
    await lab.ok('jail -c name=w persist interface=epair0a ip6.addr=2001:DB8::1/64,epair0b|2001:db8:1::2,fd00::3 ip4.addr=10.0.0.9/24 ip6.nosaddrsel');
    expect(await addresses()).toEqual(['epair0a', '\tinet 10.0.0.9/24', '\tinet6 2001:db8::1/64', '\tinet6 fd00::3/128', 'epair0b', '\tinet6 2001:db8:1::2/128']);
    expect(await lab.ok('jls -n ip4 ip4.addr ip6 ip6.addr ip6.saddrsel')).toBe('ip4=new ip4.addr=10.0.0.9 ip6=new ip6.addr=2001:db8::1,2001:db8:1::2,fd00::3 ip6.nosaddrsel');
    expect((await lab.ok('jls -v')).split('\n').slice(-4)).toEqual(['        10.0.0.9', '        2001:db8::1', '        2001:db8:1::2', '        fd00::3']);
    await lab.ok('jail -r w');
  });

  it('reads ip6.addr of a file, and takes the addresses back when the jail goes', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    lab.files.set('/j.conf', 'w { persist; ip4 = disable; ip6.addr = "epair0a|2001:db8::1/64 deprecated", "epair0b|fd00::3"; ip6.saddrsel = false; }');
    await lab.ok('jail -f /j.conf -c w');
    expect(await lab.ok('ifconfig epair0a inet6')).toMatch(/\tinet6 2001:db8::1 prefixlen 64 [^\n]*deprecated/);
    expect(await lab.ok('jls -n ip4 ip6 ip6.addr ip6.saddrsel')).toBe('ip4=disable ip6=new ip6.addr=2001:db8::1,fd00::3 ip6.nosaddrsel');
    await lab.ok('jail -f /j.conf -r w');
    expect(await lab.ok('ifconfig -a inet6')).not.toMatch(/2001:db8|fd00/);
  });

  it('keeps a jail that is not persistent as long as its command', async () => {
    const lab = new ToolLab();
    await lab.ok('ifconfig epair create');
    const running = lab.start(['jail', '-c', 'vnet', 'name=tmp', 'nopersist', 'path=/', 'vnet.interface=epair0b', 'command=sh', '-c', 'ifconfig epair0b 192.0.2.1/24; sleep 0.1']);
    await lab.advance(50_000);
    expect(await lab.ok('jls -n name persist')).toBe('name=tmp persist');
    expect(await lab.ok('ifconfig -j tmp -l')).toBe('lo0 epair0b');
    await lab.ok('ifconfig epair0a destroy');
    await lab.advance(100_000);
    expect(await running.done).toMatchObject({ exit: 0, stderr: '' });
    expect(await lab.ok('jls -n name')).toBe('');
    expect(lab.kernel.vnets).toHaveLength(1);
  });

  it('leaves no jail behind when it is interrupted', async () => {
    const lab = new ToolLab();
    const running = lab.start('jail -c name=tmp vnet exec.start="sleep 5" command=sleep 100');
    await lab.advance(6_000_000);
    expect(await lab.ok('jls name')).toBe('tmp');
    running.proc.signal('INT');
    await lab.advance(1);
    expect((await running.done).exit).toBe(1);
    expect(await lab.ok('jls name')).toBe('');
    const killed = lab.start('jail -c name=tmp vnet command=sleep 100');
    await lab.advance(1);
    killed.proc.signal('KILL');
    await lab.advance(1);
    expect(lab.kernel.vnets).toHaveLength(1);
  });

  it('prints the number, or writes a record', async () => {
    const lab = new ToolLab();
    await golden(lab, `
$ jail -i -J /jids -c name=a persist host.hostname="a host"
1
$ jail -n b -c persist path=/x
$ jail /root old.host 10.0.0.1,10.0.0.2 echo hi
hi
`);
    expect(lab.files.get('/jids')).toBe('jid=1\tname=a\tpersist\thost.hostname="a host"\n');
    expect(await lab.ok('jls -n name path')).toBe('name=a path=/\nname=b path=/x');
  });

  it.each([
    ['-c name=a persist', '"a" already exists'],
    ['-c name=x.y persist', 'jail "x" not found'],
    ['-c name=b vnet', 'new jail must persist or attach'],
    ['-c name=05 persist', 'name cannot be numeric (unless it is the jid)'],
    ['-c jid=1 persist', '"1" already exists'],
    ['-c jid=-1 persist', 'negative jid'],
    ['-c jid=x persist', 'jid: non-integer value "x"'],
    ['-c name=b persist nosuch', 'unknown parameter: nosuch'],
    ['-c name=b persist novname', 'unknown parameter: novname'],
    ['-c name=b persist=perhaps', 'persist: unknown boolean value "perhaps"'],
    ['-c name=b persist vnet=old', 'vnet: unknown jailsys value "old"'],
    ['-c name=b persist ip4.addr=10.0.0', 'ip4.addr: not an IPv4 address: 10.0.0'],
    ['-c name=b persist ip6.addr=2001:db8::x', 'ip6.addr: not an IPv6 address: 2001:db8::x'],
    ['-c name=b persist vnet ip6.addr=2001:db8::1', 'vnet jails cannot have IP address restrictions'],
    ['-c name=b persist vnet ip6=new', 'vnet jails cannot have IP address restrictions'],
    ['-c name=b persist vnet ip4.addr=10.0.0.1', 'vnet jails cannot have IP address restrictions'],
    ['-c name=b persist children.max=999999', 'jail_set: Invalid argument'],
    [`-c name=b persist host.hostname=${'h'.repeat(256)}`, 'jail_set: File name too long'],
    ['-c name=b persist enforce_statfs=3', 'jail_set: Invalid argument'],
    ['-c name=b persist exec.timeout=soon', 'exec.timeout: non-integer value "soon"'],
    ['-c name=b persist exec.clean=maybe', 'exec.clean: unknown boolean value "maybe"'],
    ['-c name=b persist depend=nosuch', 'depends on nonexistent jail "nosuch"'],
    ['-m name=nosuch persist', '"nosuch" not found'],
    ['-m host.hostname=x persist', 'no jail specified'],
    ['-m name=a vnet=new', 'vnet cannot be changed after creation'],
    ['-m name=a children.max=-1', 'jail_set: Invalid argument'],
    ['-rc name=nosuch persist', '"nosuch" not found'],
    ['-r 99', '"99" not found'],
    ['-f /nosuch -c', '/nosuch: No such file or directory'],
  ])('refuses: jail %s', async (words, complaint) => {
    const lab = new ToolLab();
    await lab.ok('jail -c name=a persist');
    const before = await lab.ok('jls -s');
    expect(await lab.sh(`jail ${words}`)).toEqual({ stdout: '', stderr: `jail: ${complaint}\n`, exit: 1 });
    expect(await lab.ok('jls -s')).toBe(before);
  });

  it('looks a hostname up, as far as there is anybody to ask', async () => {
    await golden(new ToolLab(), `
$ jail -c -h name=a persist host.hostname=192.0.2.9
$ jail -c name=b persist ip_hostname host.hostname=localhost ip4.addr=192.0.2.1
$ jls -n name ip4.addr
name=a ip4.addr=192.0.2.9
name=b ip4.addr=192.0.2.1,127.0.0.1
$ jls -n -j b ip6.addr ip6 ip6.saddrsel
ip6.addr=::1 ip6=new ip6.saddrsel
$ jail -c name=c persist ip_hostname host.hostname=c.example.org
! jail: host.hostname c.example.org: Name does not resolve
[1]
`);
  });

  it('says everything with -v, errors as well', async () => {
    await golden(new ToolLab(), `
$ jail -vc name=a vnet=new exec.start="true" persist=false exec.fib=0 host.hostname="a b"
jail_set(JAIL_CREATE) persist name=a vnet=new host.hostname="a b"
created
run command in jail: true
jail_set(JAIL_UPDATE) jid=1 nopersist
$ jail -vc name=a.b persist children.max=5 command=true
jail_set(JAIL_CREATE) name=a.b persist children.max=5: No such file or directory
! jail: jail "a" not found
[1]
$ jail -vc name=a persist exec.start="true &" exec.fib=0
jail_set(JAIL_CREATE) name=a persist
created
run command in jail: true
$ jail -vm name=a nopersist=false host.hostname=x
jail_set(JAIL_UPDATE) jid=2 name=a nopersist=false host.hostname=x
updated
$ jail -vc name=f persist exec.start=true exec.fib=9
jail_set(JAIL_CREATE) name=f persist
created
run command in jail: true
removed
! jail: setfib: Invalid argument
! jail: true: failed
[1]
`);
  });

  it('runs commands as whoever called, or root, and nobody else', async () => {
    await golden(new ToolLab(), `
$ jail -vc name=a persist exec.jail_user=root exec.start=true
jail_set(JAIL_CREATE) name=a persist
created
run command in jail as root: true
$ jail -c name=b persist exec.prestart=true exec.system_user=mallory
! jail: mallory: no such user
! jail: true: failed
[1]
$ jail -U mallory -c name=b exec.start=true
! jail: mallory: no such user
! jail: true: failed
[1]
$ jls name
a
`);
  });

  it('opens the record of jails before it starts any', async () => {
    const lab = new ToolLab();
    expect(await lab.sh('jail -J /none/jids -c name=a persist')).toEqual({ stdout: '', stderr: 'jail: open /none/jids: No such file or directory\n', exit: 1 });
    expect(await lab.ok('jls name')).toBe('');
    await lab.ok('jail -J /jids /x "old host" 10.0.0.1,10.0.0.2 echo hi');
    expect(lab.files.get('/jids')).toBe('1\t/x\t"old host"\t10.0.0.1,10.0.0.2\techo hi\n');
  });

  it('shows its usage', async () => {
    const lab = new ToolLab();
    for (const words of ['', '-r', '-x', '-c -R a', 'notapath host ip cmd', '-r -n x a', '-R a=b c=d e']) {
      const ran = await lab.sh(`jail ${words}`);
      expect(ran.exit, words).toBe(1);
      if (words !== '-R a=b c=d e') expect(ran.stderr, words).toContain('usage: jail [-dhilqv]');
    }
  });

  it('updates, renames, and lets go of persistence', async () => {
    const lab = new ToolLab();
    await golden(lab, `
$ jail -c name=a persist children.max=1 allow.raw_sockets
$ jail -m name=a host.hostname=h allow.noraw_sockets children.max=0
$ jls -j a -n host.hostname allow.raw_sockets children.max
host.hostname=h allow.noraw_sockets children.max=0
$ jail -m jid=1 name=b
$ jls -n name jid
name=b jid=1
$ jail -m name=b nopersist
$ jls -n name
`);
  });
});

describe('nested jails', () => {
  it('gives no more than the parent has', async () => {
    await golden(new ToolLab(), `
$ jail -c name=a persist vnet children.max=2
$ jail -c name=n persist
$ jexec a jail -c name=b persist vnet children.max=1
$ jexec a jail -c name=c persist
$ jexec a jail -c name=d persist
! jail: prison limit exceeded
[1]
$ jexec n jail -c name=x persist
! jail: jail_set: Operation not permitted
[1]
$ jexec a jail -m name=c allow.raw_sockets
! jail: jail_set: Operation not permitted
[1]
$ jexec a jail -m name=b children.max=2
! jail: jail_set: Operation not permitted
[1]
$ jexec a jexec b jls
   JID  IP Address      Hostname                      Path
$ jexec a jls -n name jid parent vnet
name=b jid=3 parent=0 vnet=new
name=c jid=4 parent=0 vnet=inherit
$ jls -n name parent
name=a parent=0
name=n parent=0
name=a.b parent=1
name=a.c parent=1
$ jexec a.b printenv NETLOOM_JAIL
a.b
$ jexec a jexec n true
! jexec: jail "n" not found
[1]
$ jail -r a
$ jls -n name
name=n
`);
  });
});

describe('jexec', () => {
  it.each([
    ['', '', 'usage: jexec [-l] [-u username | -U username] jail [command ...]\n', 1],
    ['-u root -U root a true', '', 'usage: jexec [-l] [-u username | -U username] jail [command ...]\n', 1],
    ['nosuch true', '', 'jexec: jail "nosuch" not found\n', 1],
    ['77 true', '', 'jexec: jail 77 not found\n', 1],
    ['0 true', '', 'jexec: jail_attach(0): Invalid argument\n', 1],
    ['a nosuchprogram', '', 'jexec: execvp: nosuchprogram: No such file or directory\n', 1],
    ['-u mallory a true', '', 'jexec: mallory: no such user\n', 1],
    ['-l -u root a false', '', '', 1],
    ['-n 1 /sbin/ifconfig -l', 'lo0\n', '', 0],
    ['a sh -c "ifconfig lo create; sysctl -n security.jail.vnet"', 'lo1\n1\n', '', 0],
  ])('jexec %s', async (words, stdout, stderr, exit) => {
    const lab = new ToolLab();
    await lab.ok('jail -c name=a persist vnet');
    expect(await lab.sh(`jexec ${words}`)).toEqual({ stdout, stderr, exit });
  });
});

describe('jls', () => {
  it('lists in every form', async () => {
    await golden(new ToolLab(), `
$ jls
   JID  IP Address      Hostname                      Path
$ jls -n name
$ jail -c name=alpha persist vnet host.hostname=alpha.example.org path=/jails/alpha
$ jail -c name=beta persist ip4.addr=192.0.2.1,192.0.2.2 host.hostname="two words"
$ jls
   JID  IP Address      Hostname                      Path
     1                  alpha.example.org             /jails/alpha
     2  192.0.2.1       two words                     /
$ jls -N
 JID             IP Address      Hostname                      Path
 alpha                           alpha.example.org             /jails/alpha
 beta            192.0.2.1       two words                     /
$ jls -v
   JID  Hostname                      Path
        Name                          State
        CPUSetID
        IP Address(es)
     1  alpha.example.org             /jails/alpha
        alpha                         ACTIVE
        1
     2  two words                     /
        beta                          ACTIVE
        1
        192.0.2.1
        192.0.2.2
$ jls -j beta jid
2
$ jls -j 1 vnet ip4.addr host.domainname
new - ""
$ jls -hq name host.hostname ip4.addr
name host.hostname ip4.addr
alpha alpha.example.org ""
beta "two words" 192.0.2.1,192.0.2.2
$ jls -n name nopersist allow.raw_sockets ip4.addr
name=alpha persist allow.noraw_sockets ip4.addr=
name=beta persist allow.noraw_sockets ip4.addr=192.0.2.1,192.0.2.2
$ jls -s jid ip4.addr parent vnet
jid=1 vnet=new
jid=2 ip4.addr=192.0.2.1,192.0.2.2 vnet=inherit
$ jls -j nosuch jid
! jls: jail "nosuch" not found
[1]
$ jls nosuch
! jls: unknown parameter: nosuch
[1]
$ jls -z
! jls: illegal option -- z
! jls: usage: jls [-dhNnqv] [-j jail] [param ...]
[1]
`);
  });

  it('answers in JSON', async () => {
    const lab = new ToolLab();
    await lab.ok('jail -c name=alpha persist vnet');
    expect(JSON.parse(await lab.ok('jls --json jid name vnet persist ip4.addr'))).toEqual([{ jid: 1, name: 'alpha', vnet: 'new', persist: true, 'ip4.addr': [] }]);
    const [all] = JSON.parse(await lab.ok('jls --json')) as Record<string, unknown>[];
    expect(all).toMatchObject({ jid: 1, 'host.hostname': '', 'children.max': 0, 'allow.set_hostname': true });
  });
});
