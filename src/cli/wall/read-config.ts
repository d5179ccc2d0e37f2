/** Reads p2pwall.toml for commands: a Config, or every problem as a line for people. */
import { readFileSync } from 'node:fs';
import { type Config, loadConfig, problemText } from '../../config/load.js';
import { ropeProtocols } from '../../config/rope-protocols.js';
import { PROTOCOLS } from '../../detect/registry.js';

export function readConfig(path: string): Config | readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return [`${path}: ${(error as Error).message}; copy the example that comes with p2pwall (share/p2pwall.toml), or name another file with --config`];
  }
  const result = loadConfig(text, { protocols: PROTOCOLS.map(({ id }) => id) });
  if (!('config' in result)) return result.problems.map((problem) => problemText(path, problem));
  if (result.config.file.rope.length === 0) return result.config;
  const { protocols, problems } = ropeProtocols(result.config.file.rope, path);
  return problems.length > 0 ? problems : { ...result.config, ropeProtocols: protocols };
}

export function isConfig(read: Config | readonly string[]): read is Config {
  return 'policy' in read;
}
