/**
 * completion.ts — shell completion: scripts for bash, zsh and fish, made from the command tree itself.
 *
 * Theory of operation. The scripts are static except for names of vnets, interfaces and labs, which they ask of the running daemon through
 * the hidden command `netloom names KIND [VNET]`. A group's default command needs no word of its own: what is no command of the group is its argument. What an argument, or the value of an option, stands for is read from the command tree: an
 * option's choices, or its name (see KINDS).
 *
 * Invariant: a command added to program.ts is completed without a change here.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

type Kind = 'vnets' | 'interfaces' | 'labs' | 'vms' | 'machines' | 'files' | 'folders' | 'shells' | 'none';

/** By the argument's name in program.ts. */
const KINDS: Readonly<Record<string, Kind>> = {
  vnet: 'vnets', interface: 'interfaces', lab: 'labs', vm: 'vms', machine: 'machines', file: 'files', folder: 'folders', shell: 'shells', 'vnet:interface': 'none', device: 'none',
};

interface Flag {
  readonly short: string | null;
  readonly long: string | null;
  readonly text: string;
  /** What its value stands for, or the values there are; null when it has none. */
  readonly value: Kind | readonly string[] | null;
}

interface Leaf {
  /** 'tools install' */
  readonly path: string;
  /** It is meant when the group's word is followed by none of its commands. */
  readonly isDefault: boolean;
  readonly text: string;
  readonly flags: readonly Flag[];
  readonly arguments: readonly Kind[];
}

export function completionScript(program: Command, shell: Shell): string {
  const leaves = leavesOf(program, '');
  if (shell === 'bash') return bash(leaves);
  return shell === 'zsh' ? zsh(leaves) : fish(leaves);
}

function leavesOf(command: Command, prefix: string): Leaf[] {
  return command.commands.filter((sub) => !(sub as unknown as { _hidden?: boolean })._hidden).flatMap((sub) => {
    const path = `${prefix}${sub.name()}`;
    if (sub.commands.length > 0) return leavesOf(sub, `${path} `);
    const flags = sub.options.map((o) => ({ short: o.short ?? null, long: o.long ?? null, text: o.description, value: valueKind(o) }));
    const isDefault = (command as unknown as { _defaultCommandName?: string | null })._defaultCommandName === sub.name();
    return [{ path, isDefault, text: sub.summary() || sub.description(), flags: [...flags, { short: '-h', long: '--help', text: 'display help for command', value: null }], arguments: sub.registeredArguments.map((a) => KINDS[a.name()] ?? 'none') }];
  });
}

function valueKind(option: Option): Kind | readonly string[] | null {
  if (!option.required && !option.optional) return null;
  if (option.argChoices !== undefined) return option.argChoices;
  return KINDS[/[<[](.+)[>\]]/.exec(option.flags)?.[1] ?? ''] ?? 'files';
}

/** First words of the paths, each once, with what is said of it. */
function firstWords(leaves: readonly Leaf[]): [string, string][] {
  const words = new Map<string, string>();
  for (const { path, text } of leaves) {
    const [first = '', ...rest] = path.split(' ');
    words.set(first, rest.length === 0 ? text : `${words.has(first) ? `${words.get(first)}, ` : ''}${rest.join(' ')}`);
  }
  return [...words];
}

function secondWords(leaves: readonly Leaf[], first: string): string[] {
  return leaves.filter(({ path }) => path.startsWith(`${first} `)).map(({ path }) => path.slice(first.length + 1));
}

/** First words that have others behind them. */
function groupsOf(leaves: readonly Leaf[]): string[] {
  return firstWords(leaves).map(([first]) => first).filter((first) => secondWords(leaves, first).length > 0);
}

function defaultOf(leaves: readonly Leaf[], first: string): Leaf | undefined {
  return leaves.find(({ path, isDefault }) => isDefault && path.startsWith(`${first} `));
}

const flagWords = (leaf: Leaf): string[] => leaf.flags.flatMap((f) => [f.short, f.long].filter((w) => w !== null));

/** What to offer for it, instead of what is offered already or (`+=`) with it. */
function bashWords(kind: Kind | readonly string[], how: '=' | '+=' = '='): string {
  const reply = (words: string): string => `COMPREPLY${how}($(compgen ${words} -- "$cur"))`;
  if (typeof kind !== 'string') return reply(`-W "${kind.join(' ')}"`);
  const names = (what: string): string => reply(`-W "$(netloom names ${what} 2>/dev/null)"`);
  const words: Record<Kind, string> = {
    vnets: names('vnets'), interfaces: names('interfaces "${args[0]}"'), labs: names('labs'), vms: names('vms'), machines: names('machines'),
    files: reply('-f'), folders: reply('-d'), shells: reply(`-W "${SHELLS.join(' ')}"`), none: ':',
  };
  return words[kind];
}

/** The group's second word. */
function bashGroup(leaves: readonly Leaf[], first: string): string {
  const words = secondWords(leaves, first);
  const standard = defaultOf(leaves, first);
  const offer = `COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$cur"))`;
  const named = `path="${first} \${COMP_WORDS[2]}"; from=3`;
  if (standard === undefined) return `    ${first}) if (( COMP_CWORD == 2 )); then ${offer}; return; fi; ${named} ;;\n`;
  return `    ${first}) if (( COMP_CWORD == 2 )); then ${offer}; ${bashWords(standard.arguments[0] ?? 'none', '+=')}; return; fi\n      case \${COMP_WORDS[2]} in ${words.join('|')}) ${named} ;; *) path='${standard.path}' ;; esac ;;\n`;
}

function bash(leaves: readonly Leaf[]): string {
  const cases = leaves.map((leaf) => {
    const places = leaf.arguments.map((kind, i) => `        ${i}) ${bashWords(kind)} ;;\n`).join('');
    const values = leaf.flags.filter((f) => f.value !== null && f.value !== 'files').map((f) => `        ${f.long}) ${bashWords(f.value ?? 'none')}; return ;;\n`).join('');
    return `    '${leaf.path}')\n${values === '' ? '' : `      case \${COMP_WORDS[COMP_CWORD-1]} in\n${values}      esac\n`}      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "${flagWords(leaf).join(' ')}" -- "$cur")); return; fi\n${places === '' ? '' : `      case \${#args[@]} in\n${places}      esac\n`}      ;;\n`;
  });
  const nested = groupsOf(leaves).map((first) => bashGroup(leaves, first));
  return `# bash completion for netloom. Load it: source <(netloom completion bash)
_netloom() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path=\${COMP_WORDS[1]} from=2 i
  local -a args=()
  COMPREPLY=()
  if (( COMP_CWORD == 1 )); then COMPREPLY=($(compgen -W "${firstWords(leaves).map(([w]) => w).join(' ')} --help --version" -- "$cur")); return; fi
  case $path in
${nested.join('')}  esac
  for (( i = from; i < COMP_CWORD; i++ )); do [[ \${COMP_WORDS[i]} == -* ]] || args+=("\${COMP_WORDS[i]}"); done
  case $path in
${cases.join('')}  esac
}
complete -o default -F _netloom netloom
`;
}

/** Text inside zsh's '...[...]' and fish's '...'. */
const quoted = (text: string): string => text.replaceAll("'", '’').replaceAll('[', '(').replaceAll(']', ')').replaceAll(':', ' -');

function zsh(leaves: readonly Leaf[]): string {
  const action: Record<Kind, string> = {
    vnets: '{compadd -- ${(f)"$(netloom names vnets 2>/dev/null)"}}', interfaces: '{compadd -- ${(f)"$(netloom names interfaces $line[1] 2>/dev/null)"}}',
    labs: '{compadd -- ${(f)"$(netloom names labs 2>/dev/null)"}}', vms: '{compadd -- ${(f)"$(netloom names vms 2>/dev/null)"}}', machines: '{compadd -- ${(f)"$(netloom names machines 2>/dev/null)"}}', files: '_files', folders: '_files -/', shells: `(${SHELLS.join(' ')})`, none: ' ',
  };
  const cases = leaves.map((leaf) => {
    const flags = leaf.flags.flatMap((f) => [f.short, f.long].filter((w) => w !== null).map((w) => `'${w}[${quoted(f.text)}]${f.value === null ? '' : `:value:${typeof f.value === 'string' ? action[f.value] : `(${f.value.join(' ')})`}`}'`));
    const places = leaf.arguments.map((kind, i) => `'${i + 1}:${kind}:${action[kind]}'`);
    return `    '${leaf.path}') _arguments ${[...flags, ...places].join(' ')} ;;\n`;
  });
  const nested = groupsOf(leaves).map((first) => {
    const words = secondWords(leaves, first);
    const standard = defaultOf(leaves, first);
    const named = `path_="${first} $words[3]"; shift words; (( CURRENT-- ))`;
    if (standard === undefined) return `    ${first}) if (( CURRENT == 3 )); then compadd -- ${words.join(' ')}; return; fi; ${named} ;;\n`;
    return `    ${first}) if (( CURRENT == 3 )); then compadd -- ${words.join(' ')}; ${action[standard.arguments[0] ?? 'none'].replace(/^\{(.*)\}$/s, '$1')}; return; fi\n      case $words[3] in ${words.join('|')}) ${named} ;; *) path_='${standard.path}' ;; esac ;;\n`;
  });
  return `#compdef netloom
# zsh completion for netloom. Load it: source <(netloom completion zsh)
_netloom() {
  local path_=$words[2]
  local -a line
  if (( CURRENT == 2 )); then
    local -a commands=(${firstWords(leaves).map(([word, text]) => `'${word}:${quoted(text)}'`).join(' ')})
    _describe command commands
    return
  fi
  case $path_ in
${nested.join('')}  esac
  shift words; (( CURRENT-- ))
  case $path_ in
${cases.join('')}  esac
}
compdef _netloom netloom
`;
}

function fish(leaves: readonly Leaf[]): string {
  const action: Record<Kind, string> = {
    vnets: "-a '(netloom names vnets 2>/dev/null)'", interfaces: "-a '(netloom names interfaces (commandline -opc)[3] 2>/dev/null)'", labs: "-a '(netloom names labs 2>/dev/null)'", vms: "-a '(netloom names vms 2>/dev/null)'", machines: "-a '(netloom names machines 2>/dev/null)'",
    files: '-F', folders: "-a '(__fish_complete_directories)'", shells: `-a '${SHELLS.join(' ')}'`, none: '',
  };
  const lines = ['# fish completion for netloom. Load it: netloom completion fish | source', 'complete -c netloom -f'];
  for (const [word, text] of firstWords(leaves)) {
    lines.push(`complete -c netloom -n __fish_use_subcommand -a ${word} -d '${quoted(text)}'`);
    const second = secondWords(leaves, word);
    if (second.length > 0) lines.push(`complete -c netloom -n '__fish_seen_subcommand_from ${word}; and not __fish_seen_subcommand_from ${second.join(' ')}' -a '${second.join(' ')}'`);
  }
  for (const leaf of leaves) {
    const when = fishCondition(leaves, leaf);
    for (const f of leaf.flags) {
      const names = [f.short === null ? '' : `-s ${f.short.slice(1)}`, f.long === null ? '' : `-l ${f.long.slice(2)}`].filter((n) => n !== '').join(' ');
      lines.push(`complete -c netloom -n '${when}' ${names}${f.value === null ? '' : ` -r ${typeof f.value === 'string' ? action[f.value] : `-a '${f.value.join(' ')}'`}`.trimEnd()} -d '${quoted(f.text)}'`);
    }
    const first = leaf.arguments.find((kind) => kind !== 'none');
    if (first !== undefined) lines.push(`complete -c netloom -n '${when}' ${action[first]}`);
  }
  return `${lines.join('\n')}\n`;
}

/** When that command is being written. */
function fishCondition(leaves: readonly Leaf[], { path, isDefault }: Leaf): string {
  const [first = '', second] = path.split(' ');
  if (!isDefault) return path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`).join('; and ');
  return `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${secondWords(leaves, first).filter((word) => word !== second).join(' ')}`;
}
