/** The `[[rope]]` entries of the configuration as protocols: reads and compiles their scripts. */
import { dirname, isAbsolute, join } from 'node:path';
import type { Protocol } from '../detect/detector.js';
import { PROTOCOLS } from '../detect/registry.js';
import { ropeProtocol } from '../detect/rope-detector.js';
import { readScript } from './rope-script.js';
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
  for (const { script: name, protocol, confidence, category } of entries) {
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
    const compiled = script.compile();
    const [fault] = compiled.diagnostics.filter(({ severity }) => severity === 'error');
    if (fault !== undefined) problem(`${path}:${fault.span.line}:${fault.span.column}: ${fault.message}; check it with ropec --check`);
    else if (compiled.signature.length > 0) problem(`${path} takes arguments, and a detector has none to give; store constants in the script`);
    else protocols.push(ropeProtocol({ protocol, script: script.name, compiled, confidence, category }));
  }
  return { protocols, problems };
}
