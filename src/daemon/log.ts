/** What the parts of the daemon say to people, and how: pino has this form. */

export interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
