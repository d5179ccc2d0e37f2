/** The command line of `ftwall`, as data: also what the manual page is checked against. */
import { Command, Option } from 'commander';
import { addCompletionOption } from './completion.js';
import { type ExampleTable, addExamples } from './examples.js';
import { version } from './version.js';

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

export const FTWALL_EXAMPLES: ExampleTable = {
  '': [
    ['ftwall --iface eth1 -f /var/lib/ftwall/peers', 'contain the clients behind eth1; peers are kept'],
    ['ftwall -s -L utcp --iface eth1', 'in the foreground, events on standard error'],
    ['ftwall -s --json --lock-scope user-ports', 'a lock leaves web and mail usable; events as JSON'],
    ["ftwall -t 0 --block-name '*.winmx.com'", 'no time-lock; WinMX by the names of its caches'],
    ['ftwall --no-rules --iface eth1', 'rules are yours: prints the ones it needs'],
  ],
};
const EXIT_STATUS = 'Exit status: 0 done, 1 could not start, 2 usage, 69 unavailable, 77 no privilege.';

export function ftwallCommand(): Command {
  const command = new Command('ftwall')
    .description('Contain FastTrack clients (Kazaa, iMesh, Grokster), and by name WinMX and OpenNap, behind this firewall.')
    .version(version(), '--version')
    .helpOption('-h, --help')
    .option('-d, --debug [WHAT]', 'foreground, with debug output: A all, - none, a DNS answers, t time-lock, h headers, p probes, l syslog copy')
    .option('-s, --foreground', 'stay in the foreground')
    .option('-n, --no-block-udp', 'let UDP pass: only observe it')
    .option('-b, --buffer <BYTES>', 'size of the socket buffers (32k, 8M), fixed; default 32k, growing up to 8M when many packets wait')
    .option('-f, --store <FILE>', 'store file: peers are read from it and appended')
    .option('-t, --lock-time <SECS>', 'time-lock of a client, 0 disables it; default 120')
    .option('-c, --client-dir <DIR>', 'make a file here for each client that is present')
    .option('-l, --syslog <WHAT>', 'events to syslog: u/U UDP dropped/accepted, t/T TCP, c clients, p peers, m MAC addresses')
    .option('-L, --log <WHAT>', 'the same to standard error')
    .option('-a, --local-address <IP>', 'an address of this machine: never a peer; default 127.0.0.1')
    .option('-D, --dns-file <FILE>', 'training file: name patterns whose addresses are refused')
    .option('--block-name <PATTERN>', 'one such pattern (*.winmx.com); may be repeated', collect)
    .option('--iface <NAME>', 'inside interface; may be repeated; default: those with private addresses and no default route', collect)
    .option('--queue <N>', 'number of the kernel queue for pings; the next one is used for the rest; default 27')
    .addOption(new Option('--reply <TYPE>', 'pong to forge').choices(['0x28', '0x29', 'none']))
    .addOption(new Option('--lock-scope <SCOPE>', 'what a time-lock holds back').choices(['all', 'user-ports', 'none']))
    .option('--protect <NETWORK>', 'never block addresses of this network; may be repeated', collect)
    .option('--max-peers <N>', 'peers known at once; default 200000')
    .option('--max-peers-per-client <N>', 'peers that one client can reveal; default 2000')
    .option('--peer-age <SECS>', 'forget peers that nobody revealed for so long; default 86400')
    .option('--no-rules', 'leave rules and sets alone and print what is needed')
    .option('--json', 'events as JSON lines on standard output')
    .option('--config <FILE>', 'TOML file with the long names of these options');
  addCompletionOption(command);
  return addExamples(command, FTWALL_EXAMPLES, EXIT_STATUS);
}
