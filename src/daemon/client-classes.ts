/**
 * Traffic classes of single clients, for rules that limit `per = "client"`: made in tc and
 * named in the rule's set when a client is limited for the first time.
 */
import { addressText } from '../base/address.js';
import type { TrafficClass } from '../enforce/plan.js';
import { FIRST_CLIENT_MINOR, LAST_CLIENT_MINOR, clientClassText } from '../enforce/shaping.js';
import type { RuleSet } from '../enforce/rule-set.js';

export class ClientClasses {
  readonly #rules: RuleSet;
  readonly #devices: readonly string[];
  readonly #classes: ReadonlyMap<string, TrafficClass>;
  readonly #known = new Set<string>();
  #nextMinor = FIRST_CLIENT_MINOR;

  constructor(rules: RuleSet, devices: readonly string[], classes: readonly TrafficClass[]) {
    this.#rules = rules;
    this.#devices = devices;
    this.#classes = new Map(classes.filter((it) => it.kind === 'limit' && it.per === 'client').map((it) => [it.rule, it]));
  }

  /** Gives the client its class under the rule, once; other rules need none. Throws ToolError. When numbers run out, clients share the rule's class. */
  ensure(rule: string, client: Uint8Array): void {
    const trafficClass = this.#classes.get(rule);
    if (!trafficClass) return;
    const address = addressText(client, 0, client.length);
    const key = `${rule} ${address}`;
    if (this.#known.has(key) || this.#nextMinor > LAST_CLIENT_MINOR) return;
    this.#known.add(key);
    const minor = this.#nextMinor++;
    for (const device of this.#devices) {
      this.#rules.run('tc', ['-batch', '-'], clientClassText(device, minor, trafficClass.bitsPerSecond), `is ${device} still there?`);
    }
    this.#rules.nameClient(trafficClass, client, minor);
  }
}
