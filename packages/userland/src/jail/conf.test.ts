/**
 * conf.test.ts — the language of jail.conf: what a file means, and where a wrong one is wrong.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ToolLab } from '../../test/test-proc.js';
import { wildMatch } from './cf-jail.js';
import { parseConf } from './conf-parser.js';

/** The jails of a file, as `jail -e ' | '` lists them. */
async function listed(conf: string): Promise<{ readonly stdout: string; readonly stderr: string; readonly exit: number }> {
  const lab = new ToolLab();
  lab.files.set('/jc', conf);
  return lab.sh(['jail', '-f', '/jc', '-e', ' | ']);
}

describe('what a file means', () => {
  it.each<[what: string, conf: string, list: string]>([
    ['nothing', '', ''],
    ['a jail', 'a { persist; }', 'name=a | persist'],
    ['a number is a jid', '7 { persist; }', 'jid=7 | persist'],
    ['names with = and without', 'a { path = /x; host.hostname www; }', 'name=a | path=/x | host.hostname=www'],
    ['lists', 'a { x = 1, "2 3" ,4; x += 5; }', 'name=a | x=1,"2 3",4,5'],
    ['a later value replaces', 'a { x = 1; x = 2; }', 'name=a | x=2'],
    ['no and yes are one parameter', 'a { persist; nopersist; allow.raw_sockets; allow.noraw_sockets; }', 'name=a | nopersist | allow.noraw_sockets'],
    ['comments', '# one\n// two\na { /* three\n ** */ persist; # four\n}', 'name=a | persist'],
    ['global parameters come first', 'x = 1; a { y = 2; } x += 2;', 'name=a | x=1,2 | y=2'],
    ['wildcards in their place', '* { x = 1; } a { x += 2; } a.* { x += 3; } *.b { x += 4; } a.b { x += 5; }', 'name=a | x=1,2\nname=a.b | x=1,3,4,5'],
    ['a wildcard behind a jail', 'a { x = 1; } * { x += 2; }', 'name=a | x=1,2'],
    ['a jail in a jail', 'a { persist; b { persist; } }', 'name=a | persist\nname=a.b | persist'],
    ['variables', '$d = "/j"; a { $e = x; path = "$d/${name}/$e"; p2 = $d/lit; }', 'name=a | path=/j/a/x | p2=/j/lit'],
    ['parameters as variables', 'a { path = /x; y = "${path}y"; }', 'name=a | path=/x | y=/xy'],
    ['variables defined later', '$a = "$b"; x = $a; j { } $b = deep;', 'name=j | x=deep'],
    ['a list through a variable', '$l = 1, 2; a { x = $l; }', 'name=a | x=1,2'],
    ['quotes', `a { s = 'it $x \\'s'; d = "a\\tb\\x41\\101\\"q\\""; j = un"quo"'ted'; }`, `name=a | s="it $x 's" | d='a\tbAA"q"' | j=unquoted`],
    ['a line continued in quotes', 'a { x = "one\\\ntwo"; }', 'name=a | x=onetwo'],
    ['an empty value', 'a { x = ""; }', 'name=a | x=""'],
    ['stray semicolons', ';; a { ; } ;', 'name=a'],
  ])('%s', async (_what, conf, list) => {
    expect(await listed(conf)).toEqual({ stdout: list === '' ? '' : `${list}\n`, stderr: '', exit: 0 });
  });

  it('includes files beside it', async () => {
    const lab = new ToolLab();
    lab.files.set('/etc/j/main.conf', '.include "sub/more.conf"; a { .include "one"; }');
    lab.files.set('/etc/j/sub/more.conf', 'vnet;');
    lab.files.set('/etc/j/one', 'persist;');
    expect(await lab.ok('jail -f /etc/j/main.conf -e ,')).toBe('name=a,vnet,persist');
    lab.files.set('/etc/j/one', '.include "one";');
    expect(await lab.sh('jail -f /etc/j/main.conf -e ,')).toMatchObject({ stderr: 'jail: maximum include depth exceeded\n', exit: 1 });
  });

  it.each([
    ['*.conf', 'a,b'], ['?.conf', 'a,b'], ['[!b].conf', 'a'], ['[a-b]*f', 'a,b'], ['/etc/*/*.conf', 'a,b'], ['../*/a.conf', ''], ['.*.conf', 'hidden'], ['a\\\\*.conf', ''], ['x.d/[', ''], ['none/*', ''],
  ])('includes what matches %s', async (pattern, names) => {
    const lab = new ToolLab();
    for (const name of ['b', 'a']) lab.files.set(`/etc/jail.conf.d/${name}.conf`, `${name} { persist; }`);
    lab.files.set('/etc/jail.conf.d/.hidden.conf', 'hidden { }');
    lab.files.set('/etc/jail.conf.d/README', 'not ; a { configuration');
    lab.files.set('/etc/jail.conf.d/main', `.include "${pattern}";`);
    const ran = await lab.sh('jail -f /etc/jail.conf.d/main -e ,');
    expect({ ...ran, stdout: [...ran.stdout.matchAll(/^name=(\w+)/gm)].map((m) => m[1]).join(',') }).toEqual({ stdout: names, stderr: '', exit: 0 });
  });

  it('has no variables in the names of files', async () => {
    expect(await listed('$d = "x";\n.include "$d.conf";\na { }')).toEqual({ stdout: '', stderr: "jail: /jc line 2: variables not permitted in '.include' filename\n", exit: 1 });
  });

  it('reads standard input', async () => {
    const lab = new ToolLab();
    expect((await lab.sh('jail -f - -e ,', { stdin: 'a { persist; }' })).stdout).toBe('name=a,persist\n');
  });
});

describe('where a file is wrong', () => {
  it.each([
    ['a { x = 1 }', 'jail: /jc line 1: }: syntax error\n'],
    ['a {\n x = 1;\n', 'jail: /jc: unexpected EOF\n'],
    ['a {\n\n x = ;\n}', 'jail: /jc line 3: ;: syntax error\n'],
    ['a { x = "1" "2"; }', 'jail: /jc line 1: "2": syntax error\n'],
    ['}', 'jail: /jc line 1: }: syntax error\n'],
    ['a { x = "1;\n}', 'jail: /jc line 1: unterminated string\n'],
    ["\na { x = '1; }", 'jail: /jc line 2: unterminated string\n'],
    ['a { /* x; }', 'jail: /jc line 1: unterminated comment\n'],
    ['a { x = ${y;\n}', 'jail: /jc line 1: unterminated variable\n'],
    ['a { x = "${y;\n}"; }', 'jail: /jc line 1: unterminated variable\n'],
  ])('%j', async (conf, stderr) => {
    expect(await listed(conf)).toEqual({ stdout: '', stderr, exit: 1 });
  });

  it.each([
    ['a { x = $y; }', 'jail: a: x: variable "y" not found\n'],
    ['$x = "$y"; $y = "$x"; a { path = $x; }', 'jail: a: x: variable loop\n'],
    ['$l = 1, 2; a { x = "<$l>"; }', 'jail: a: x: array cannot be substituted inline\n'],
    ['$path = 1; a { path = 2; }', 'jail: a: variable "$path" cannot have the same name as a parameter.\n'],
    ['a { name = b; }', 'jail: a: cannot redefine parameter "name".\n'],
  ])('%j', async (conf, stderr) => {
    const lab = new ToolLab();
    lab.files.set('/jc', conf);
    expect(await lab.sh('jail -f /jc -c')).toEqual({ stdout: '', stderr, exit: 1 });
    expect(lab.kernel.prisons.prison0.children).toEqual([]);
  });
});

it('gives back any text that was quoted', () => {
  const quote = (text: string): string => `'${text.replace(/['\\]/g, '\\$&')}'`;
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const [jail] = parseConf(`a { x = ${quote(text)}; }`);
      expect(jail).toMatchObject({ body: [{ values: [text === '' ? [{ text: '' }] : [{ text }]] }] });
    }),
  );
});

it('never throws anything but its own complaint', () => {
  const noise = fc.array(fc.constantFrom('a', ' ', '{', '}', ';', '=', '+=', ',', '"', "'", '$', '${', 'x}', '\\', '\n', '#', '//', '/*', '*/', '*')).map((parts) => parts.join(''));
  fc.assert(
    fc.property(noise, (source) => {
      try {
        parseConf(source);
      } catch (error) {
        expect(error).toMatchObject({ name: 'ConfError' });
      }
    }),
  );
});

it.each<[name: string, pattern: string, matches: boolean]>([
  ['a', '*', true], ['a.b', '*', true], ['a.b', 'a.*', true], ['a', 'a.*', false], ['a.b.c', 'a.*', true], ['a.b.c', '*.c', false], ['a.b', '*.b', true], ['a.b.c', 'a.*.c', true],
  ['x.b.c', 'a.*.c', false], ['a.b.c', '*.*.c', true], ['ab', 'a*', false],
])('wildcard: %s %s', (name, pattern, matches) => {
  expect(wildMatch(name, pattern)).toBe(matches);
});
