/** DNS names as text: lower case, no final dot, as the facets give them. */

/** True for the domain itself and every name below it ('a.example.org' in 'example.org'). */
export function isInDomain(name: string, domain: string): boolean {
  if (!name.endsWith(domain)) return false;
  return name.length === domain.length || name.charCodeAt(name.length - domain.length - 1) === 0x2e;
}

/** Last characters of a name that are looked at first. */
const TAIL_CHARACTERS = 6;

/**
 * Domains to look names up in. Every DNS packet is held against several of these sets: a hash of a
 * name's last characters refuses nearly all of them before a domain is compared (bench/identify.ts).
 */
export class DomainSet {
  readonly #domains: readonly string[];
  readonly #tailCharacters: number;
  /** By tail hash: some domain has it. */
  readonly #tails = new Uint8Array(256);

  constructor(domains: readonly string[]) {
    this.#domains = domains;
    this.#tailCharacters = Math.min(TAIL_CHARACTERS, ...domains.map(({ length }) => length));
    for (const domain of domains) this.#tails[this.#tailHash(domain)] = 1;
  }

  /** The name lies in one of the domains. */
  has(name: string): boolean {
    if (name.length < this.#tailCharacters || this.#tails[this.#tailHash(name)] === 0) return false;
    for (const domain of this.#domains) if (isInDomain(name, domain)) return true;
    return false;
  }

  /** One of the names lies in one of the domains. */
  hasAny(names: readonly string[]): boolean {
    for (let i = 0; i < names.length; i++) if (this.has(names[i]!)) return true;
    return false;
  }

  #tailHash(name: string): number {
    let hash = 0;
    for (let at = name.length - this.#tailCharacters; at < name.length; at++) hash = (hash * 31 + name.charCodeAt(at)) & 0xffff;
    return (hash ^ (hash >> 8)) & 0xff;
  }
}
