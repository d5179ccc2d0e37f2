/**
 * p2pwall.toml to a Policy and settings, or to the list of everything that is wrong with it.
 * Reads text, not files; starts nothing.
 */
import type { Protocol } from '../detect/detector.js';
import { TomlError, parse } from 'smol-toml';
import { type Network, networkText, parseAddress, parseNetwork } from '../base/address.js';
import { didYouMean } from '../base/did-you-mean.js';
import { markMaskProblem } from '../base/mark-mask.js';
import { CATEGORIES } from '../events/confidence.js';
import type { Action, Policy, Rule } from '../policy/policy.js';
import { parseRate } from '../policy/rate.js';
import { type Schedule, isTimeZone, parseSchedule } from '../policy/schedule.js';
import { locate } from './locate.js';
import { type Path, schemaFaults } from './schema-faults.js';
import { type ConfigFile, type GatewayConfig, type RuleConfig, configSchema, keysAt } from './schema.js';

/** One mistake: where it stands, what it is, what to do. */
export interface ConfigProblem {
  readonly line: number;
  /** Dotted, `rule[0].rate`; '' for the document. */
  readonly key: string;
  readonly message: string;
  readonly remedy: string;
}

export interface Config {
  readonly file: ConfigFile;
  readonly policy: Policy;
  /** Detectors of the `[[rope]]` entries; added by who reads files (`rope-protocols.ts`). */
  readonly ropeProtocols?: readonly Protocol[];
}

export type ConfigResult = { readonly config: Config } | { readonly problems: readonly ConfigProblem[] };

/** What names a rule may use: protocol ids of the registry. */
export interface KnownNames {
  readonly protocols: readonly string[];
}

/** RFC 2474, 2597, 3246: code points by the names administrators use. */
const DSCP: Readonly<Record<string, number>> = {
  cs0: 0, cs1: 8, cs2: 16, cs3: 24, cs4: 32, cs5: 40, cs6: 48, cs7: 56,
  af11: 10, af12: 12, af13: 14, af21: 18, af22: 20, af23: 22,
  af31: 26, af32: 28, af33: 30, af41: 34, af42: 36, af43: 38,
  ef: 46, le: 1,
};

/** Scripts are asked about every first payload, and the engine tells 64 features with one first byte apart (trigger-index.ts). */
const MAX_ROPE_DETECTORS = 16;

/** Contained clients stay so for this long after the last sign. */
const DEFAULT_HOLD_MS = 600_000;
/** The longest timeout of an entry of a kernel set: IPSET_MAX_TIMEOUT, linux/netfilter/ipset/ip_set.h, in whole seconds. */
const MAX_HOLD_MS = 2_147_483_000;

class Loader {
  readonly problems: ConfigProblem[] = [];
  readonly #text: string;
  readonly #known: KnownNames;

  constructor(text: string, known: KnownNames) {
    this.#text = text;
    this.#known = known;
  }

  report(path: Path, message: string, remedy: string): void {
    const key = path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');
    this.problems.push({ line: locate(this.#text, path), key, message, remedy });
  }

  gateway({ inside, outside, mark_mask, time_zone }: GatewayConfig): void {
    const maskProblem = markMaskProblem(mark_mask);
    if (maskProblem !== null) this.report(['gateway', 'mark_mask'], maskProblem, 'write for example mark_mask = 0x00ff0000');
    for (const [i, name] of outside.entries()) {
      if (inside.includes(name)) this.report(['gateway', 'outside', i], `${name} is an inside interface, too`, 'name it once');
    }
    if (time_zone !== undefined && !isTimeZone(time_zone)) this.report(['gateway', 'time_zone'], `'${time_zone}' is no time zone`, 'write for example "Europe/Berlin" or "UTC"');
  }

  networks(path: Path, texts: readonly string[]): Network[] {
    return texts.flatMap((text, i) => {
      const network = parseNetwork(text);
      if (network) return [network];
      this.report([...path, i], `'${text}' is no network`, hostBitsRemedy(text));
      return [];
    });
  }

  protocols(path: Path, names: readonly string[]): ReadonlySet<string> | null {
    const known = ['any', ...this.#known.protocols, ...CATEGORIES];
    for (const [i, name] of names.entries()) {
      if (known.includes(name)) continue;
      const guess = didYouMean(name.toLowerCase(), known);
      this.report([...path, i], `'${name}' is no protocol and no category`, `${guess === null ? '' : `did you mean '${guess}'? `}p2pwall protocols lists them`);
    }
    return names.includes('any') ? null : new Set(names);
  }

  schedule(path: Path, text: string | undefined, timeZone: string | null): Schedule | null {
    if (text === undefined) return null;
    const result = parseSchedule(text, timeZone);
    if ('schedule' in result) return result.schedule;
    this.report(path, result.problem, 'write for example "mon-fri 08:00-16:00"');
    return null;
  }

  macs(path: Path, texts: readonly string[]): string[] {
    return texts.map((text, i) => {
      const lower = text.toLowerCase().replaceAll('-', ':');
      if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(lower)) this.report([...path, i], `'${text}' is no hardware address`, 'write six pairs of hexadecimal digits: 02:00:5e:10:00:01');
      return lower;
    });
  }

  rule(rule: RuleConfig, index: number, timeZone: string | null): Rule {
    const path: Path = ['rule', index];
    return {
      name: rule.name,
      protocols: this.protocols([...path, 'protocol'], rule.protocol),
      confidence: rule.confidence,
      clients: this.networks([...path, 'clients'], rule.clients),
      exceptClients: this.networks([...path, 'except'], rule.except),
      macs: this.macs([...path, 'mac'], rule.mac),
      outside: this.networks([...path, 'outside'], rule.outside),
      exceptOutside: this.networks([...path, 'except_outside'], rule.except_outside),
      schedule: this.schedule([...path, 'when'], rule.when, timeZone),
      action: this.action(rule, path),
    };
  }

  action(rule: RuleConfig, path: Path): Action {
    this.#refuseUnused(rule, path);
    switch (rule.action) {
      case 'allow':
      case 'log':
      case 'drop':
      case 'reject':
        return { kind: rule.action };
      case 'limit':
        return { kind: 'limit', bitsPerSecond: this.rate(rule, path), per: rule.per ?? 'rule' };
      case 'prioritise':
        return { kind: 'prioritise', band: rule.priority ?? 'low', dscp: this.dscp(rule, path) };
      case 'contain':
        return { kind: 'contain', holdMs: this.hold(rule, path) };
    }
  }

  /** A key that the action ignores is a misunderstanding, not a detail. */
  #refuseUnused(rule: RuleConfig, path: Path): void {
    const users: readonly [keyof RuleConfig, string][] = [
      ['rate', 'limit'],
      ['per', 'limit'],
      ['dscp', 'prioritise'],
      ['priority', 'prioritise'],
      ['hold', 'contain'],
    ];
    for (const [key, action] of users) {
      if (rule[key] !== undefined && rule.action !== action) {
        this.report([...path, key], `has no meaning with action = "${rule.action}"`, `remove it, or use action = "${action}"`);
      }
    }
  }

  rate(rule: RuleConfig, path: Path): number {
    if (rule.rate === undefined) {
      this.report([...path, 'rate'], 'is missing: action = "limit" needs it', 'add for example rate = "2mbit"');
      return 0;
    }
    const result = parseRate(rule.rate);
    if ('bitsPerSecond' in result) return result.bitsPerSecond;
    this.report([...path, 'rate'], result.problem, 'write for example rate = "2mbit"');
    return 0;
  }

  dscp(rule: RuleConfig, path: Path): number {
    if (rule.dscp === undefined) return rule.priority === 'high' ? (DSCP.af41 ?? 34) : (DSCP.cs1 ?? 8);
    if (typeof rule.dscp === 'number') return rule.dscp;
    const value = DSCP[rule.dscp.toLowerCase()];
    if (value !== undefined) return value;
    this.report([...path, 'dscp'], `'${rule.dscp}' is no DSCP name`, `use a number from 0 to 63 or one of ${Object.keys(DSCP).join(' ')}`);
    return 0;
  }

  hold(rule: RuleConfig, path: Path): number {
    if (rule.hold === undefined) return DEFAULT_HOLD_MS;
    const found = /^([0-9]+)\s*(s|m|h)$/.exec(rule.hold);
    const unitMs = { s: 1000, m: 60_000, h: 3_600_000 }[found?.[2] ?? ''];
    const holdMs = Number(found?.[1]) * (unitMs ?? 0);
    if (holdMs > 0 && holdMs <= MAX_HOLD_MS) return holdMs;
    if (holdMs > MAX_HOLD_MS) this.report([...path, 'hold'], `'${rule.hold}' is longer than the kernel's sets can hold`, 'write at most hold = "596h"');
    else this.report([...path, 'hold'], `'${rule.hold}' is no duration`, 'write for example hold = "10m"');
    return DEFAULT_HOLD_MS;
  }
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function hostBitsRemedy(text: string): string {
  const [host = '', bits = ''] = text.split('/');
  const address = parseAddress(host);
  const prefixLength = Number(bits);
  if (!address || bits === '' || !(prefixLength <= address.length * 8)) return 'write for example 10.0.0.0/8, 2001:db8::/32 or a single address';
  const masked = address.map((byte, i) => byte & (0xff << Math.max(0, Math.min(8, 8 * (i + 1) - prefixLength))));
  return `bits behind the prefix are set: did you mean ${networkText({ address: masked, prefixLength })}?`;
}

/** Reads the text of a configuration file. */
export function loadConfig(text: string, known: KnownNames): ConfigResult {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const message = error.message.split('\n')[0] ?? 'is not TOML';
    return { problems: [{ line: error.line, key: '', message: lowerFirst(message), remedy: `look at column ${error.column}` }] };
  }
  const loader = new Loader(text, known);
  const checked = configSchema.safeParse(document);
  if (!checked.success) {
    for (const { path, message, remedy } of checked.error.issues.flatMap((issue) => schemaFaults(issue, { document, keysAt, manual: 'p2pwall.toml(5)' }))) loader.report(path, message, remedy);
    return { problems: sorted(loader.problems) };
  }
  const file = checked.data;
  const extended = new Loader(text, { protocols: [...known.protocols, ...file.rope.map(({ protocol }) => protocol)] });
  const timeZone = file.gateway.time_zone ?? null;
  extended.gateway(file.gateway);
  const rules = file.rule.map((rule, index) => extended.rule(rule, index, timeZone));
  if (file.rope.length > MAX_ROPE_DETECTORS) extended.report(['rope', MAX_ROPE_DETECTORS], `is one detector too many: ${MAX_ROPE_DETECTORS} fit`, 'put what belongs together into one script, with expect_one');
  const twice = file.rule.findIndex((rule, index) => file.rule.findIndex((other) => other.name === rule.name) < index);
  if (twice >= 0) extended.report(['rule', twice, 'name'], 'is the name of two rules', 'names stand in events and metrics: make them different');
  if (extended.problems.length > 0) return { problems: sorted(extended.problems) };
  const policy: Policy = { rules, defaultAction: { kind: file.default.action }, trouble: file.gateway.mode === 'open' ? 'accept' : 'drop' };
  return { config: { file, policy } };
}

/** The control socket that a configuration names, also one with mistakes elsewhere (it was good when the daemon started); otherwise null. */
export function controlSocket(text: string): string | null {
  try {
    const { control } = parse(text);
    const socket = typeof control === 'object' && 'socket' in control ? control.socket : null;
    return typeof socket === 'string' && socket !== '' ? socket : null;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    return null;
  }
}

function sorted(problems: readonly ConfigProblem[]): ConfigProblem[] {
  return [...problems].sort((a, b) => a.line - b.line);
}

/** `file:line: key: message; remedy` */
export function problemText(path: string, problem: ConfigProblem): string {
  const key = problem.key === '' ? '' : `${problem.key}: `;
  return `${path}:${problem.line}: ${key}${problem.message}; ${problem.remedy}`;
}
