/** The subcommands of `p2pwall` that concern a live gateway, as data. Each is a file of its own, loaded when asked for. */
import type { Command } from 'commander';
import { DEFAULT_CONFIG } from './config-path.js';
import { exitWith, wholeNumber } from './run-command.js';

const CONFIG = ['--config <FILE>', 'configuration file', DEFAULT_CONFIG] as const;
const SOCKET = ['--socket <PATH>', "the daemon's control socket (default: as configured)"] as const;
const JSON_LINES = ['--json', 'for programs: JSON'] as const;

function asking(program: Command, name: string, description: string): Command {
  return program.command(name).description(description).option(...CONFIG).option(...SOCKET).option(...JSON_LINES);
}

/** Adds them to the program. */
export function addWallCommands(program: Command): void {
  program
    .command('run')
    .description('put up the wall and keep it, in the foreground (root)')
    .option(...CONFIG)
    .action(async (options) => {
      const { run } = await import('./run.js');
      exitWith(await run(options));
    });
  program
    .command('down')
    .description('remove every rule, set and class of a wall, also after a crash (root)')
    .option(...JSON_LINES)
    .action(async (options) => {
      const { down } = await import('./down.js');
      exitWith(down(options));
    });
  program
    .command('check')
    .description('is the configuration right, and can this machine carry the wall? Each problem with its remedy')
    .option(...CONFIG)
    .option(...JSON_LINES)
    .action(async (options) => {
      const { check } = await import('./check.js');
      exitWith(check(options));
    });
  program
    .command('rules')
    .description('print what would be installed, without root')
    .option(...CONFIG)
    .option('--nft', 'as an nftables table')
    .option(...JSON_LINES)
    .action(async (options) => {
      const { rules } = await import('./rules.js');
      exitWith(rules(options));
    });
  asking(program, 'status', 'how the wall fares').action(async (options) => {
    const { status } = await import('./status.js');
    exitWith(await status(options));
  });
  asking(program, 'flows', 'peer-to-peer flows that are known now')
    .option('--limit <N>', 'at most N flows', wholeNumber(1), 1000)
    .action(async (options) => {
      const { flows } = await import('./flows.js');
      exitWith(await flows(options));
    });
  asking(program, 'peers', 'peers of contained clients and blocked addresses')
    .option('--limit <N>', 'at most N peers', wholeNumber(1), 1000)
    .action(async (options) => {
      const { peers } = await import('./peers.js');
      exitWith(await peers(options));
    });
  asking(program, 'top', 'live: protocols, clients, rates; keys sort and block')
    .option('--once', 'print one table and end')
    .option('--interval <SECONDS>', 'between two looks', wholeNumber(1), 2)
    .action(async (options) => {
      const { top } = await import('./top.js');
      exitWith(await top(options));
    });
  asking(program, 'block', 'let nothing pass to or from an address for a time')
    .argument('<ADDRESS>', 'IPv4 or IPv6 address, inside or outside')
    .option('--for <TIME>', '90s, 10m, 2h ...', '10m')
    .action(async (address: string, options) => {
      const { block } = await import('./block.js');
      exitWith(await block(address, options));
    });
  asking(program, 'unblock', 'lift a block')
    .argument('<ADDRESS>', 'the blocked address')
    .action(async (address: string, options) => {
      const { unblock } = await import('./block.js');
      exitWith(await unblock(address, options));
    });
  asking(program, 'reload', 'read the configuration again; flows keep their state').action(async (options) => {
    const { reload } = await import('./block.js');
    exitWith(await reload(options));
  });
}
