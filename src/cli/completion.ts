/**
 * Shell completion scripts, generated from a command tree: subcommands, their options and
 * the choices of arguments. File names complete where nothing else is known.
 */
import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Entry {
  /** Words after the program: `identify`; empty for the program itself. */
  readonly path: string;
  readonly description: string;
  readonly options: readonly Option[];
  readonly subcommands: readonly Command[];
  /** Choices of the arguments, where there are any. */
  readonly choices: readonly string[];
}

function entries(command: Command, path: string): Entry[] {
  const help = command.createHelp();
  const subcommands = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
  const own: Entry = {
    path,
    description: command.description(),
    options: help.visibleOptions(command),
    subcommands,
    choices: command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
  };
  return [own, ...subcommands.flatMap((sub) => entries(sub, path === '' ? sub.name() : `${path} ${sub.name()}`))];
}

function flags(option: Option): string[] {
  return [option.short, option.long].filter((flag) => flag !== undefined && flag !== null);
}

function words(entry: Entry): string[] {
  return [...entry.subcommands.map((sub) => sub.name()), ...entry.choices, ...entry.options.flatMap(flags)];
}

/** First sentence, without characters that shells or our quoting care about. */
function plain(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/['"`$\\[\]:]/g, '');
}

function bash(name: string, all: readonly Entry[]): string {
  const cases = all.filter(({ path }) => path !== '').map((entry) => `    '${entry.path}') words='${words(entry).join(' ')}' ;;`);
  const names = all.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const top = all[0] ? words(all[0]).join(' ') : '';
  return `# bash completion for ${name}
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' words='${top}' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in -*) continue ;; esac
    local longer="\${path:+$path }\${COMP_WORDS[i]}"
    case "$longer" in ${names.length === 0 ? "''" : names.join('|')}) path=$longer ;; esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -o filenames -F _${name} ${name}
`;
}

function zsh(name: string, all: readonly Entry[]): string {
  const list = (entry: Entry): string =>
    [
      ...entry.subcommands.map((sub) => `'${sub.name()}:${plain(sub.description())}'`),
      ...entry.choices.map((choice) => `'${choice}'`),
      ...entry.options.flatMap((option) => flags(option).map((flag) => `'${flag}:${plain(option.description)}'`)),
    ].join(' ');
  const cases = all.filter(({ path }) => path !== '').map((entry) => `    '${entry.path}') entries=(${list(entry)}) ;;`);
  return `#compdef ${name}
# zsh completion for ${name}
_${name}() {
  local path='' word
  local -a entries
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  entries=(${all[0] ? list(all[0]) : ''})
  case $path in
${cases.join('\n')}
  esac
  _describe '${name}' entries
  _files
}
_${name} "$@"
`;
}

function fish(name: string, all: readonly Entry[]): string {
  const lines = [`# fish completion for ${name}`];
  for (const entry of all) {
    const condition = entry.path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${entry.path.split(' ').pop() ?? ''}`;
    for (const sub of entry.subcommands) lines.push(`complete -c ${name} -n '${condition}' -a ${sub.name()} -d '${plain(sub.description())}'`);
    for (const choice of entry.choices) lines.push(`complete -c ${name} -n '${condition}' -a ${choice}`);
    for (const option of entry.options) {
      const short = option.short ? ` -s ${option.short.slice(1)}` : '';
      const long = option.long ? ` -l ${option.long.slice(2)}` : '';
      lines.push(`complete -c ${name} -n '${condition}'${short}${long}${option.required ? ' -r' : ''} -d '${plain(option.description)}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The completion script of a program for a shell. */
export function completionScript(program: Command, shell: Shell): string {
  const all = entries(program, '');
  switch (shell) {
    case 'bash':
      return bash(program.name(), all);
    case 'zsh':
      return zsh(program.name(), all);
    case 'fish':
      return fish(program.name(), all);
  }
}
