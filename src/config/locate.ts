/**
 * Finds the line on which a key of a TOML document stands, for messages about its value.
 * Reads headers and keys line by line; strings over several lines and dotted keys inside
 * inline tables are beyond it (then the table's own line is given).
 */

type Path = readonly (string | number)[];

/** Line (from 1) of the deepest part of `path` that is found; 1 when none is. */
export function locate(text: string, path: Path): number {
  const counts = new Map<string, number>();
  let prefix: (string | number)[] = [];
  let best = { depth: 0, line: 1 };
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const array = /^\[\[\s*([^\]]+?)\s*\]\]/.exec(line);
    const table = /^\[\s*([^\][]+?)\s*\]/.exec(line);
    const key = /^([A-Za-z0-9_."'-]+)\s*=/.exec(line);
    if (array?.[1] !== undefined) {
      const name = array[1];
      const count = counts.get(name) ?? 0;
      counts.set(name, count + 1);
      prefix = [...split(name), count];
      best = deeper(deeper(best, split(name), path, index + 1), prefix, path, index + 1);
    } else if (table?.[1] !== undefined) {
      prefix = split(table[1]);
      best = deeper(best, prefix, path, index + 1);
    } else if (key?.[1] !== undefined) {
      best = deeper(best, [...prefix, ...split(key[1])], path, index + 1);
    }
  }
  return best.line;
}

function split(name: string): string[] {
  return name.split('.').map((part) => part.trim().replace(/^["']|["']$/g, ''));
}

/** Takes the new place when it is a prefix of the path and longer than the best so far. */
function deeper(best: { depth: number; line: number }, place: Path, path: Path, line: number): { depth: number; line: number } {
  const isPrefix = place.length <= path.length && place.every((part, i) => part === path[i]);
  return isPrefix && place.length > best.depth ? { depth: place.length, line } : best;
}
