/**
 * Bencode for the simulated tracker and DHT of live tests: text, numbers, lists and dictionaries as
 * JavaScript values; strings are latin-1, one character for each byte. Throws on what is not bencode: the
 * callers hear only programs of the lab.
 *
 * Specification: BEP 3, "bencoding".
 */
export type Bencoded = string | number | readonly Bencoded[] | { readonly [key: string]: Bencoded };

export function encodeBencode(value: Bencoded): string {
  if (typeof value === 'string') return `${value.length}:${value}`;
  if (typeof value === 'number') return `i${value}e`;
  if (Array.isArray(value)) return `l${(value as readonly Bencoded[]).map(encodeBencode).join('')}e`;
  const entries = Object.entries(value as { readonly [key: string]: Bencoded }).sort(([a], [b]) => (a < b ? -1 : 1));
  return `d${entries.map(([key, inner]) => encodeBencode(key) + encodeBencode(inner)).join('')}e`;
}

export function decodeBencode(text: string): Bencoded {
  let at = 0;
  const one = (): Bencoded => {
    const first = text[at];
    if (first === 'i') {
      const end = text.indexOf('e', at);
      const number = Number(text.slice(at + 1, end));
      at = end + 1;
      return number;
    }
    if (first === 'l') {
      const list: Bencoded[] = [];
      for (at++; text[at] !== 'e'; ) list.push(one());
      at++;
      return list;
    }
    if (first === 'd') {
      const entries: [string, Bencoded][] = [];
      for (at++; text[at] !== 'e'; ) entries.push([String(one()), one()]);
      at++;
      return Object.fromEntries(entries);
    }
    const colon = text.indexOf(':', at);
    const length = Number(text.slice(at, colon));
    if (colon < 0 || !(length >= 0) || colon + 1 + length > text.length) throw new Error('not bencode');
    at = colon + 1 + length;
    return text.slice(colon + 1, at);
  };
  return one();
}
