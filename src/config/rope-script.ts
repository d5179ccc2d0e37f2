/**
 * Finding and reading rope scripts: source (`.rope`) or compiled (`.rp`).
 *
 * A name without slash and extension is looked up in the system directory. What lies there is
 * run with privileges by firewall rules, so it is refused unless owned by root and writable by
 * nobody else: whoever could change it could drop any packet.
 */
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Argument } from '../rope/argument.js';
import { type Compiled, compile, compileProgram } from '../rope/compile.js';
import { decodeContainer, looksLikeContainer } from '../rope/container.js';
import type { Limits } from '../rope/ir.js';
import { MAX_SOURCE_CHARS } from '../rope/code.js';
import { readProtocolsFile } from '../rope/protocols.js';

/** As the original: compiled scripts for firewall rules. */
export const SCRIPTS_DIRECTORY = '/etc/rope.d/scripts';

export interface Script {
  /** File name without directory and extension. */
  readonly name: string;
  /** As it was given, for messages. */
  readonly path: string;
  readonly source: string;
  readonly compile: (options?: { readonly args?: readonly Argument[]; readonly limits?: Limits }) => Compiled;
}

export interface ScriptFault {
  readonly message: string;
  readonly hint: string;
}

/** Reads a script. `systemDirectory`: other than the usual one, for tests. */
export function readScript(path: string, systemDirectory = SCRIPTS_DIRECTORY): Script | ScriptFault {
  const isName = /^[A-Za-z0-9_-]+$/.test(path);
  const candidates = isName ? [path, join(systemDirectory, `${path}.rp`)] : [path];
  let bytes: Uint8Array | null = null;
  let found = path;
  for (const candidate of candidates) {
    try {
      const stat = statSync(candidate);
      if (stat.isDirectory()) continue;
      const refusal = isUnder(candidate, systemDirectory) ? untrusted(candidate) : null;
      if (refusal !== null) return refusal;
      if (stat.size > 16 << 20) return { message: `${candidate}: too large for a script (${stat.size} bytes)`, hint: '' };
      bytes = readFileSync(candidate);
      found = candidate;
      break;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT') return { message: `${candidate}: ${message}`, hint: code === 'EACCES' ? 'the file is not readable for this user' : '' };
    }
  }
  if (bytes === null) {
    return { message: `${path}: no such script`, hint: isName ? `looked here and in ${systemDirectory}` : 'check the path' };
  }
  return parseScript(bytes, found);
}

/** From the bytes of a file; `path` gives the name. */
function parseScript(bytes: Uint8Array, path: string): Script | ScriptFault {
  const name = basename(path).replace(/\.(rope|rp)$/, '');
  if (looksLikeContainer(bytes)) {
    const container = decodeContainer(bytes);
    if (typeof container === 'string') return { message: `${path}: ${container}`, hint: 'compile the script again: ropec SCRIPT.rope' };
    const { program, source } = container;
    return { name: container.name, path, source, compile: (options) => compileProgram(program, options) };
  }
  if (path.endsWith('.rp')) return { message: `${path}: not a compiled script`, hint: 'compile it: ropec SCRIPT.rope' };
  if (bytes.length > 4 * MAX_SOURCE_CHARS || bytes.subarray(0, 4096).includes(0)) {
    return { message: `${path}: not a script: binary data or too large`, hint: 'a script is text; with rope it comes first, then the packets: rope SCRIPT PACKETS...' };
  }
  const source = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  return { name, path, source, compile: (options) => compile(source, { ...options, protocols: localProtocols() }) };
}

/** By its name, or by where its name leads: a link in either direction is as good as the file. */
function isUnder(path: string, directory: string): boolean {
  if (resolve(path).startsWith(`${resolve(directory)}/`)) return true;
  try {
    return realpathSync(path).startsWith(`${realpathSync(directory)}/`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return false;
  }
}

/** Why a file of the system directory must not be run, or null: whoever can write it, or a directory on the way to it, could change it. */
function untrusted(path: string): ScriptFault | null {
  return untrustedWay(resolve(path)) ?? untrustedWay(realpathSync(path));
}

function untrustedWay(path: string): ScriptFault | null {
  const directory = dirname(path);
  for (let place = path; ; place = dirname(place)) {
    const { uid, mode } = statSync(place);
    if (uid !== 0) return { message: `${place}: refused: it is owned by user ${uid}, not by root`, hint: `chown root ${place}` };
    // Further up, whoever may write can put another directory in the place of ours, unless the sticky bit forbids it.
    const isProtected = place.length < directory.length && (mode & 0o1000) !== 0;
    if ((mode & 0o022) !== 0 && !isProtected) return { message: `${place}: refused: others than root can write it`, hint: `chmod go-w ${place}` };
    if (place === '/') return null;
  }
}

let protocols: ReadonlyMap<string, number> | null = null;

function localProtocols(): ReadonlyMap<string, number> {
  if (protocols === null) {
    try {
      protocols = readProtocolsFile(readFileSync('/etc/protocols', 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      protocols = new Map();
    }
  }
  return protocols;
}
