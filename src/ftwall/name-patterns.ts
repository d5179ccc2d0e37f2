/**
 * The DNS training file of ftwall 2 (option -D): names whose addresses are to be blocked.
 *
 *   # comment
 *   *.winmx.com          winmx        pattern, optional label for the log
 *   server.example.net   opennap
 *
 * `*.` at the front stands for one or more labels; the domain itself is not meant. A pattern without it names one host.
 * Lines that are no pattern are reported with their number and skipped. The original's format is not on record.
 */

export interface NamePattern {
  /** Lower case, without the final dot and without `*.`. */
  readonly name: string;
  readonly matchesSubdomains: boolean;
  /** '' when the line has none. */
  readonly label: string;
}

export interface LineProblem {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly problem: string;
}

/** Names of WinMX's peer caches: what the stock file holds. */
export const STOCK_PATTERNS: readonly NamePattern[] = [{ name: 'winmx.com', matchesSubdomains: true, label: 'winmx' }];

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_NAME_LENGTH = 253;

/** One pattern, or why the text is none. */
export function parseNamePattern(text: string): NamePattern | string {
  const [pattern = '', label = '', extra] = text.trim().split(/\s+/);
  if (extra !== undefined) return 'more than a pattern and a label';
  const matchesSubdomains = pattern.startsWith('*.');
  const name = (matchesSubdomains ? pattern.slice(2) : pattern).toLowerCase().replace(/\.$/, '');
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) return 'no domain name';
  const labels = name.split('.');
  if (!labels.every((part) => LABEL.test(part))) return pattern.includes('*') ? '* may only stand in front, as *.' : 'no domain name';
  if (labels.length < 2) return 'a whole top-level domain would be blocked';
  return { name, matchesSubdomains, label };
}

/** All patterns of a training file, and the lines that are none. */
export function parseTrainingFile(text: string): { patterns: NamePattern[]; problems: LineProblem[] } {
  const patterns: NamePattern[] = [];
  const problems: LineProblem[] = [];
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.replace(/#.*$/, '').trim();
    if (line === '') return;
    const parsed = parseNamePattern(line);
    if (typeof parsed === 'string') problems.push({ line: index + 1, text: raw.slice(0, 80), problem: parsed });
    else patterns.push(parsed);
  });
  return { patterns, problems };
}

/** The first pattern that covers the name (lower case, no final dot), or null. */
export function findPattern(patterns: readonly NamePattern[], name: string): NamePattern | null {
  return (
    patterns.find((pattern) => (pattern.matchesSubdomains ? name.endsWith(`.${pattern.name}`) : name === pattern.name)) ?? null
  );
}
