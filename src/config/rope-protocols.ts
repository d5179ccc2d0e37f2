/** The `[[rope]]` entries of the configuration as protocols: reads and compiles their scripts. */
import { dirname, isAbsolute, join } from 'node:path';
import type { Protocol } from '../detect/detector.js';
import { PROTOCOLS } from '../detect/registry.js';
import { ropeProtocol } from '../detect/rope-detector.js';
import { parseAddress } from '../base/address.js';
import type { Argument } from '../rope/argument.js';
import { type Script, readScript } from './rope-script.js';
import type { RopeConfig } from './schema.js';

export interface RopeProtocols {
  readonly protocols: readonly Protocol[];
  /** Sentences for people, each naming script and remedy. */
  readonly problems: readonly string[];
}

/** `configPath`: relative scripts lie beside the configuration; bare names in the system's scripts directory. */
export function ropeProtocols(entries: readonly RopeConfig[], configPath: string): RopeProtocols {
  const protocols: Protocol[] = [];
  const problems: string[] = [];
  const known = new Set<string>(PROTOCOLS.map(({ id }) => id));
  for (const { script: name, protocol, confidence, category, push } of entries) {
    const problem = (message: string): void => void problems.push(`${configPath}: [[rope]] ${protocol}: ${message}`);
    if (known.has(protocol)) {
      problem('there is a protocol of this name already; choose another name');
      continue;
    }
    known.add(protocol);
    const path = isAbsolute(name) || !/[./]/.test(name) ? name : join(dirname(configPath), name);
    const script = readScript(path);
    if ('message' in script) {
      problem(`${script.message}${script.hint === '' ? '' : `; ${script.hint}`}`);
      continue;
    }
    const args = push.map(argumentOf);
    const unknown = args.find((arg) => typeof arg === 'string');
    if (unknown !== undefined) {
      problem(unknown);
      continue;
    }
    const compiled = args.length > 0 ? script.compile({ args: args as Argument[] }) : script.compile();
    const [fault] = compiled.diagnostics.filter(({ severity }) => severity === 'error');
    const takes = argumentCount(script);
    if (fault !== undefined) problem(`${path}:${fault.span.line}:${fault.span.column}: ${fault.message}; check it with ropec --check`);
    else if (takes !== null && takes !== args.length) problem(`${path} takes ${takes} arguments and gets ${args.length}; give them in order: push = [20, "text", { ip = "192.0.2.1" }]`);
    else protocols.push(ropeProtocol({ protocol, script: script.name, compiled, args: args as Argument[], confidence, category }));
  }
  return { protocols, problems };
}

/** Arguments that the script stores at its start; null when it uses them otherwise, and any number may be right. */
function argumentCount(script: Script): number | null {
  const { isValid, signature } = script.compile();
  return isValid ? signature.length : null;
}

/** A string says what is wrong. Names are not resolved: an entry must mean the same at each reading. */
function argumentOf(value: RopeConfig['push'][number]): Argument | string {
  if (typeof value === 'number') return { type: 'int', value: value | 0 };
  if (typeof value === 'string') return { type: 'str', bytes: new TextEncoder().encode(value) };
  const bytes = parseAddress(value.ip);
  return bytes === null ? `push: '${value.ip}' is no address; write 192.0.2.1 or 2001:db8::1` : { type: 'str', bytes };
}
