/**
 * When a rule applies: days of the week and hours, in a time zone.
 *
 *   when = "mon-fri 08:00-16:00"
 *   when = "mon-thu 22:00-06:00, sat,sun"      hours past midnight belong to the day they begin on
 *
 * Pure: the time is given, the zone's rules come from Intl.
 */

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
const MINUTES_OF_DAY = 24 * 60;

interface Span {
  /** Bit i: day i of DAYS. */
  readonly days: number;
  /** Minutes since midnight; `to` smaller than `from` reaches into the next day; equal means the whole day. */
  readonly fromMinute: number;
  readonly toMinute: number;
}

export interface Schedule {
  /** As written. */
  readonly text: string;
  readonly spans: readonly Span[];
  /** IANA time zone; null: the zone of the process. */
  readonly timeZone: string | null;
}

/** A schedule, or what is wrong with the text. */
export type ScheduleResult = { readonly schedule: Schedule } | { readonly problem: string };

/** `timeZone`: one that `isTimeZone` knows; null for the zone of the process. */
export function parseSchedule(text: string, timeZone: string | null): ScheduleResult {
  const spans: Span[] = [];
  // A comma separates spans, and days within a span: a part without hours joins the days that follow it.
  let days = 0;
  const parts = text.toLowerCase().split(',').map((part) => part.trim());
  for (const [index, part] of parts.entries()) {
    const words = part.split(/\s+/).filter((word) => word !== '');
    const hours = words.find((word) => /\d/.test(word));
    for (const word of words) {
      if (word === hours) continue;
      const range = parseDays(word);
      if (range === null) return { problem: `'${word}' is no day or range of days (mon, tue, wed, thu, fri, sat, sun, mon-fri)` };
      days |= range;
    }
    const isLast = index === parts.length - 1;
    if (hours === undefined && !isLast) continue;
    const minutes = hours === undefined ? { from: 0, to: 0 } : parseHours(hours);
    if (minutes === null) return { problem: `'${hours}' is no range of hours (08:00-16:00)` };
    if (words.length === 0) return { problem: 'a part of the schedule is empty' };
    spans.push({ days: days === 0 ? 0x7f : days, fromMinute: minutes.from, toMinute: minutes.to });
    days = 0;
  }
  return { schedule: { text, spans, timeZone } };
}

function parseDays(word: string): number | null {
  const [first = '', last, ...rest] = word.split('-');
  const from = (DAYS as readonly string[]).indexOf(first);
  const to = last === undefined ? from : (DAYS as readonly string[]).indexOf(last);
  if (from < 0 || to < 0 || rest.length > 0) return null;
  let bits = 0;
  for (let day = from; ; day = (day + 1) % 7) {
    bits |= 1 << day;
    if (day === to) return bits;
  }
}

function parseHours(word: string): { from: number; to: number } | null {
  const found = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(word);
  if (!found) return null;
  const [fromHour = 99, fromMinute = 99, toHour = 99, toMinute = 99] = found.slice(1).map(Number);
  const from = fromHour * 60 + fromMinute;
  const to = toHour * 60 + toMinute;
  if (fromMinute > 59 || toMinute > 59 || from >= MINUTES_OF_DAY || to > MINUTES_OF_DAY) return null;
  return { from, to: to === MINUTES_OF_DAY ? 0 : to };
}

/** Whether Intl knows a zone of this name. */
export function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Whether the schedule covers a moment. */
export function isScheduled(schedule: Schedule, timeMs: number): boolean {
  const { day, minute } = localTime(timeMs, schedule.timeZone);
  const yesterday = (day + 6) % 7;
  return schedule.spans.some(({ days, fromMinute, toMinute }) => {
    const isToday = ((days >> day) & 1) === 1;
    if (fromMinute === toMinute) return isToday;
    if (fromMinute < toMinute) return isToday && minute >= fromMinute && minute < toMinute;
    const wasYesterday = ((days >> yesterday) & 1) === 1;
    return (isToday && minute >= fromMinute) || (wasYesterday && minute < toMinute);
  });
}

/** Day (0 Monday) and minute of the day in a zone. */
function localTime(timeMs: number, timeZone: string | null): { day: number; minute: number } {
  const parts = new Intl.DateTimeFormat('en-US', {
    ...(timeZone === null ? {} : { timeZone }),
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(timeMs);
  const part = (type: string): string => parts.find((it) => it.type === type)?.value ?? '';
  const day = (DAYS as readonly string[]).indexOf(part('weekday').toLowerCase());
  return { day, minute: Number(part('hour')) * 60 + Number(part('minute')) };
}
