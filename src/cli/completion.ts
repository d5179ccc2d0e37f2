/**
 * Shell completion scripts, generated from a command tree: subcommands, their options, the
 * choices of options and arguments. File names complete where an argument or option takes a file; of other values
 * (addresses, times, numbers) nothing is known.
 */
import { type Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

interface Entry {
  /** Words after the program: `identify`; empty for the program itself. */
  readonly path: string;
  readonly options: readonly Option[];
  readonly subcommands: readonly Command[];
  /** Choices of the arguments, where there are any. */
  readonly choices: readonly string[];
  readonly takesFiles: boolean;
}

/** Placeholders of arguments and options that stand for files. */
const FILE_NAMES = /\b(CAPTURE|SCRIPT|PACKETS|FILE|PATH|DIR|DIRECTORY)\b/;

/** What the command tree does not say. */
export interface CompletionHints {
  /** The subcommand that is meant when none is named; its options complete without it. */
  readonly defaultCommand?: string;
  /** What the arguments of a subcommand may be, by its path, where commander does not check them. */
  readonly choices?: Readonly<Record<string, readonly string[]>>;
}

function entries(command: Command, path: string, { defaultCommand, choices }: CompletionHints): Entry[] {
  const help = command.createHelp();
  const subcommands = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
  const implied = subcommands.find((sub) => sub.name() === defaultCommand);
  const options = [...help.visibleOptions(command), ...(implied ? implied.createHelp().visibleOptions(implied) : [])];
  const own: Entry = {
    path,
    options: options.filter(({ flags }, index) => options.findIndex((other) => other.flags === flags) === index),
    subcommands,
    choices: [...command.registeredArguments.flatMap((argument) => argument.argChoices ?? []), ...(choices?.[path] ?? [])],
    takesFiles: [command, ...(implied ? [implied] : [])].some(({ registeredArguments }) => registeredArguments.some((argument) => FILE_NAMES.test(argument.name()))),
  };
  const below: CompletionHints = choices === undefined ? {} : { choices };
  return [own, ...subcommands.flatMap((sub) => entries(sub, path === '' ? sub.name() : `${path} ${sub.name()}`, below))];
}

function flags(option: Option): string[] {
  return [option.short, option.long].filter((flag) => flag !== undefined && flag !== null);
}

/** What may stand where no option was begun: names; options too where there are neither names nor files. */
function words(entry: Entry): string[] {
  const names = [...entry.subcommands.map((sub) => sub.name()), ...entry.choices];
  return names.length > 0 || entry.takesFiles ? names : entry.options.flatMap(flags);
}

/** `words` and `options` of an entry, as assignments in bash. */
function bashWords(entry: Entry): string {
  return `words='${words(entry).join(' ')}' options='${entry.options.flatMap(flags).join(' ')}'`;
}

/** `path --option` of each option whose value is not one of a few; `wantsFile`: those that take a file, or the others. */
function openOptions(all: readonly Entry[], wantsFile: boolean): string[] {
  return all.flatMap(({ path, options }) =>
    options
      .filter((option) => option.required && option.argChoices === undefined && FILE_NAMES.test(option.flags) === wantsFile)
      .flatMap((option) => flags(option).map((flag) => `'${path} ${flag}'`)),
  );
}

/** First sentence, without characters that shells or our quoting care about. */
function plain(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/['"`$\\[\]:]/g, '');
}

/** `path --option` of each option with choices, and these. */
function optionChoices(all: readonly Entry[]): [string, readonly string[]][] {
  return all.flatMap(({ path, options }) =>
    options.flatMap((option) => flags(option).map((flag): [string, readonly string[]] => [`${path} ${flag}`, option.argChoices ?? []])).filter(([, choices]) => choices.length > 0),
  );
}

function bash(name: string, all: readonly Entry[]): string {
  const cases = all.filter(({ path }) => path !== '').map((entry) => `    '${entry.path}') ${bashWords(entry)} ;;`);
  const names = all.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`);
  const values = optionChoices(all).map(([option, choices]) => `    '${option}') words='${choices.join(' ')}' ;;`);
  const [files, others] = [openOptions(all, true), openOptions(all, false)];
  if (files.length > 0) values.push(`    ${files.join('|')}) words='' ;;`);
  if (others.length > 0) values.push(`    ${others.join('|')}) return ;;`);
  const top = all[0] ? bashWords(all[0]) : '';
  return `# bash completion for ${name}
_${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path='' given='' ${top} i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in -*|help) continue ;; esac
    local longer="\${path:+$path }\${COMP_WORDS[i]}"
    case "$longer" in ${names.length === 0 ? "''" : names.join('|')}) path=$longer ;; *) given=1 ;; esac
  done
  COMPREPLY=()
  case "$path" in
    '') [ -z "$given" ] || words='' ;;
${cases.join('\n')}
  esac
  # --option=value reaches us as three words.
  [ "$current" != = ] || current=''
  [ "$before" != = ] || before=\${COMP_WORDS[COMP_CWORD-2]}
  case "$path $before" in
${values.join('\n')}
  esac
  case "$current" in -*) words=$options ;; esac
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
  const values = optionChoices(all).map(([option, choices]) => `    '${option}') entries=(${choices.join(' ')}); _describe 'value' entries; return ;;`);
  return `#compdef ${name}
# zsh completion for ${name}
_${name}() {
  local path='' word before=\${words[CURRENT-1]}
  local -a entries
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  if [[ \${words[CURRENT]} == --*=* ]]; then
    before=\${words[CURRENT]%%=*}
    compset -P '*='
  fi
  entries=(${all[0] ? list(all[0]) : ''})
  case $path in
${cases.join('\n')}
  esac
  case "$path $before" in
${values.join('\n')}
  esac
  _describe '${name}' entries
  _files
}
_${name} "$@"
`;
}

function fish(name: string, all: readonly Entry[]): string {
  const lines = [`# fish completion for ${name}`];
  const subcommands = all[0]?.subcommands.map((sub) => sub.name()).join(' ') ?? '';
  for (const entry of all) {
    const seen = entry.path === '' ? `not __fish_seen_subcommand_from ${subcommands}` : `__fish_seen_subcommand_from ${entry.path.split(' ').pop() ?? ''}`;
    const condition = subcommands === '' ? '' : ` -n '${seen}'`;
    for (const sub of entry.subcommands) lines.push(`complete -c ${name}${condition} -a ${sub.name()} -d '${plain(sub.description())}'`);
    if (entry.choices.length > 0) lines.push(`complete -c ${name}${condition} -f -a '${entry.choices.join(' ')}'`);
    for (const option of entry.options) {
      const short = option.short ? ` -s ${option.short.slice(1)}` : '';
      const long = option.long ? ` -l ${option.long.slice(2)}` : '';
      const value = option.argChoices ? ` -x -a '${option.argChoices.join(' ')}'` : option.required ? ' -r' : '';
      lines.push(`complete -c ${name}${condition}${short}${long}${value} -d '${plain(option.description)}'`);
    }
  }
  return `${lines.join('\n')}\n`;
}

/** The completion script of a program for a shell. */
export function completionScript(program: Command, shell: Shell, hints: CompletionHints = {}): string {
  const all = entries(program, '', hints);
  switch (shell) {
    case 'bash':
      return bash(program.name(), all);
    case 'zsh':
      return zsh(program.name(), all);
    case 'fish':
      return fish(program.name(), all);
  }
}

/** Of programs without subcommands. */
export interface CompletionOption {
  readonly completion?: Shell;
}

export function addCompletionOption(command: Command): Command {
  return command.addOption(new Option('--completion <SHELL>', 'print the completion script of a shell, and do nothing else').choices(SHELLS));
}

/** Prints the script when it was asked for; the command has then nothing else to do. */
export function printsCompletion(command: Command, { completion }: CompletionOption): boolean {
  if (completion === undefined) return false;
  process.stdout.write(completionScript(command, completion));
  return true;
}
