/** DNS names as text: lower case, no final dot, as the facets give them. */

/** True for the domain itself and every name below it ('a.example.org' in 'example.org'). */
export function isInDomain(name: string, domain: string): boolean {
  if (!name.endsWith(domain)) return false;
  return name.length === domain.length || name.charCodeAt(name.length - domain.length - 1) === 0x2e;
}

/** True when any of the names lies in any of the domains. */
export function isAnyInDomains(names: readonly string[], domains: readonly string[]): boolean {
  for (const name of names) for (const domain of domains) if (isInDomain(name, domain)) return true;
  return false;
}
