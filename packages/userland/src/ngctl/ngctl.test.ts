/**
 * ngctl.test.ts — ngctl: every command's output to the blank, what it says when something is wrong, and what is left when it has ended.
 */
import { beforeEach, describe, expect, test } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';

let lab: ToolLab;
beforeEach(() => {
  lab = new ToolLab();
});

const script = (text: string): Promise<{ exit: number; stdout: string; stderr: string }> => lab.sh('ngctl -n me -f -', { stdin: text });

describe('what there is', () => {
  test('list, show, types', async () => {
    await lab.ok('ifconfig epair create');
    const ran = await script(`mkpeer bridge x link0
name x br
mkpeer br: eiface link1 ether
list
list -n
show br:
show -n br:
show .
list -l
`);
    expect(ran.stderr).toBe('');
    const node = (name: string, type: string, id: number, hooks: number): string => `  Name: ${name.padEnd(15)} Type: ${type.padEnd(15)} ID: ${id.toString(16).padStart(8, '0')}   Num hooks: ${hooks}\n`;
    const [a, b, me, br, eiface, ether] = [node('epair0a', 'ether', 1, 0), node('epair0b', 'ether', 2, 0), node('me', 'socket', 3, 1), node('br', 'bridge', 4, 2), node('ngeth0', 'eiface', 5, 1), node('<unnamed>', 'ether', 6, 0)];
    expect(ran.stdout).toContain(`There are 6 total nodes:\n${a}${b}${me}${br}${eiface}${ether}There are 5 total named nodes:\n${me}${a}${b}${br}${eiface}`);
    expect(ran.stdout).toContain(`${br}  Local hook      Peer name       Peer type    Peer ID         Peer hook      \n`
      + '  ----------      ---------       ---------    -------         ---------      \n'
      + '  link1           ngeth0          eiface       00000005        ether          \n'
      + '  link0           me              socket       00000003        x              \n');
  });

  test('types', async () => {
    const { stdout } = await lab.sh('ngctl types');
    expect(stdout).toMatch(/^There are \d+ total types:\n {6}Type name {3}Number of living nodes\n {6}--------- {3}----------------------\n/);
    expect(stdout).toContain('         bridge       0\n');
    expect(stdout).toContain('         socket       1\n');
  });

  test('a bridge that only ngctl holds is gone with it, one with an interface stays', async () => {
    await lab.ok('ngctl mkpeer bridge x link0');
    expect(await lab.ok('ngctl list -n')).not.toContain('bridge');
    await lab.ok('ngctl mkpeer eiface x ether');
    await lab.ok('ngctl mkpeer ngeth0: bridge ether link0');
    await lab.ok('ngctl name ngeth0:ether br0');
    expect(await lab.ok('ngctl list')).toContain('Name: br0             Type: bridge');
    expect(await lab.ok('ifconfig ngeth0')).toMatch(/^ngeth0: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500\n\toptions=28<VLAN_MTU,JUMBO_MTU>\n\tether 58:9c:fc:/);
  });
});

describe('messages', () => {
  beforeEach(async () => {
    await lab.ok('ngctl mkpeer eiface x ether');
    await lab.ok('ngctl mkpeer ngeth0: bridge ether link0');
    await lab.ok('ngctl name ngeth0:ether br0');
  });

  test('an answer is shown in its text form', async () => {
    expect(await lab.sh('ngctl msg br0: getconfig')).toEqual({
      exit: 0, stderr: '',
      stdout: expect.stringMatching(/^Rec'd response "getconfig" \(2\) from "\[[0-9a-f]+\]:":\nArgs:\t\{ debugLevel=1 loopTimeout=60 maxStaleness=900 minStableAge=1 \}\n$/),
    });
    expect(await lab.sh('ngctl msg br0: setconfig { maxStaleness=5 }')).toEqual({ exit: 0, stdout: '', stderr: '' });
    expect((await lab.sh('ngctl msg br0: getconfig')).stdout).toContain('Args:\t{ maxStaleness=5 }\n');
    expect((await lab.sh('ngctl msg br0: gettable')).stdout).toContain('Args:\t{}\n');
  });

  test.each([
    ['msg br0: frob', 'ngctl: send msg: Function not implemented\n'],
    ['msg br0: getstats', 'ngctl: send msg: Invalid argument\n'],
    ['msg br0: getstats 7', 'ngctl: send msg: Socket is not connected\n'],
    ['msg br0: setconfig { frob=1 }', 'ngctl: send msg: No such file or directory\n'],
    ['msg nobody: getconfig', 'ngctl: send msg: No such file or directory\n'],
    ['mkpeer br0: frob link1 x', 'ngctl: send msg: No such file or directory\n'],
    ['mkpeer br0: eiface link0 ether', 'ngctl: send msg: File exists\n'],
    ['mkpeer br0: ether link1 lower', 'ngctl: send msg: Invalid argument\n'],
    ['connect br0: ngeth0: link1 ether', 'ngctl: send msg: File exists\n'],
    ['name br0: a:b', 'ngctl: send msg: Invalid argument\n'],
    ['name br0: ngeth0', 'ngctl: send msg: Address already in use\n'],
    ['shutdown nobody:', 'ngctl: shutdown: No such file or directory\n'],
    ['frob', 'ngctl: "frob": unknown command\n'],
    ['s', 'ngctl: "s": ambiguous command\n'],
  ])('%s', async (words, stderr) => {
    expect(await lab.sh(`ngctl ${words}`)).toEqual({ exit: 71, stdout: '', stderr });
  });

  test.each([['name br0:', 'name <path> <name>'], ['mkpeer a', 'mkpeer [path] <type> <hook> <peerhook>'], ['write x', 'write hook < -f file | byte ... >'], ['show', 'show [-n] <path>']])('%s: usage', async (words, synopsis) => {
    expect(await lab.sh(`ngctl ${words}`)).toEqual({ exit: 64, stdout: '', stderr: `ngctl: usage: ${synopsis}\n` });
  });

  test('status, config', async () => {
    expect((await lab.sh('ngctl status br0:')).stdout).toBe('No status available for "br0:"\n');
    expect((await lab.sh('ngctl config br0: x y')).stdout).toBe('No config available for "br0:"\n');
  });

  test('rmhook of what is not there is no error', async () => {
    expect(await lab.sh('ngctl rmhook br0: link9')).toEqual({ exit: 0, stdout: '', stderr: '' });
  });

  test('dot', async () => {
    const compact = (await lab.sh('ngctl dot -c')).stdout;
    expect(compact).toContain('digraph netgraph {\n\tedge [ dir = "none", fontsize = 10 ];\n\tnode [ shape = record, fontsize = 12 ] {\n');
    expect(compact).toMatch(/\t"\w+" -> "\w+" \[ headlabel = "link0", taillabel = "ether" \] ;\n/);
    expect((await lab.sh('ngctl dot')).stdout).toMatch(/^graph netgraph \{\n\tedge \[ weight = 1.0 \];\n/);
  });
});

describe('files', () => {
  test('a comment is one in the first column only; the first failure ends it', async () => {
    expect(await script('# nothing\nmkpeer hub x y\n\nshutdown .:x\nmsg nobody: x\nlist\n')).toEqual({ exit: 71, stdout: '', stderr: 'ngctl: send msg: No such file or directory\nngctl: line 5: error in file\n' });
    expect(await script('quit\n')).toEqual({ exit: 0, stdout: '', stderr: 'ngctl: line 1: error in file\n' });
    expect(await lab.sh('ngctl -f /nowhere list')).toEqual({ exit: 66, stdout: '', stderr: 'ngctl: /nowhere: No such file or directory\n' });
    expect(await lab.sh('ngctl')).toEqual({ exit: 64, stdout: '', stderr: 'ngctl: no command specified\nusage: ngctl [-d] [-f file] [-n name] [command ...]\n' });
  });

  test('what is written to a hook comes out of another', async () => {
    await lab.ok('ngctl mkpeer eiface x ether');
    await lab.ok('ngctl mkpeer ngeth0: hub ether up');
    await lab.ok('ifconfig ngeth0 up');
    const shown = lab.start('nghook -an ngeth0:ether down');
    await lab.advance(1_000);
    expect(await script('connect . ngeth0:ether a y\nwrite a 1 0x02 -1\nwrite b 1\n')).toEqual({ exit: 71, stdout: '', stderr: 'ngctl: writing to hook "b": No route to host\nngctl: line 3: error in file\n' });
    shown.proc.signal('INT');
    expect((await shown.done).stdout).toBe(`0000:  01 02 ff ${' '.repeat(39)} ...${' '.repeat(13)}\n\n`);
    expect(await lab.sh('nghook -n ngeth0: ether')).toEqual({ exit: 71, stdout: '', stderr: "nghook: can't connect to node\n" });
  });
});

test('nghook shows what comes by a hook', async () => {
  await lab.ok('ngctl mkpeer eiface x ether');
  const hook = lab.start('nghook -an ngeth0: ether');
  await lab.advance(1_000);
  await lab.ok('ifconfig ngeth0 inet 192.0.2.1/24 up');
  lab.start('ping -c 1 -t 1 192.0.2.2');
  await lab.advance(10_000);
  hook.proc.signal('INT');
  const { stdout } = await hook.done;
  expect(stdout).toMatch(/^0000: {2}ff ff ff ff ff ff 58 9c fc .*\n/);
});

test('a jail has a graph of its own, and one without a stack none', async () => {
  await lab.ok('jail -c name=j vnet persist');
  await lab.ok('jail -c name=j.k persist');
  await lab.ok('ngctl mkpeer eiface x ether');
  expect(await lab.ok('ngctl list -n', { jail: 'j' })).not.toContain('ngeth0');
  expect(await lab.sh('ngctl list', { jail: 'j.k' })).toEqual({ exit: 71, stdout: '', stderr: "ngctl: can't create node: Operation not permitted\n" });
  await lab.ok('ifconfig ngeth0 vnet j');
  expect(await lab.ok('ifconfig -l', { jail: 'j' })).toBe('lo0 ngeth0');
  await lab.ok('ngctl shutdown ngeth0:');
  expect(await lab.ok('ifconfig -l', { jail: 'j' })).toBe('lo0');
});
