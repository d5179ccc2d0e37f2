/** `p2pwall run`: the gateway daemon in the foreground. */
import { runWall } from '../../daemon/run-wall.js';
import { EXIT_NO_PRIVILEGE, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { isConfig, readConfig } from './read-config.js';
import { version } from '../version.js';
import { failureOf, sayFailure } from './wall-failure.js';

export async function run(options: { readonly config: string }): Promise<number> {
  const config = readConfig(options.config);
  if (!isConfig(config)) {
    for (const line of config) process.stderr.write(`${line}\n`);
    return EXIT_USAGE;
  }
  if (process.geteuid?.() !== 0) {
    return sayFailure({ message: 'the wall needs root, or the capabilities CAP_NET_ADMIN and CAP_NET_RAW as user 0', hint: 'run as root, or through the systemd unit', status: EXIT_NO_PRIVILEGE });
  }
  try {
    await runWall({ config, configPath: options.config, version: version(), readConfig: () => readConfig(options.config) });
    return typeof process.exitCode === 'number' ? process.exitCode : EXIT_OK;
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return sayFailure(failure);
  }
}
