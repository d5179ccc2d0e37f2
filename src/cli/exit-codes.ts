/** Exit statuses of the programs; where a number has a name in sysexits.h it is that. */
export const EXIT_OK = 0;
/** An input could not be read, or nothing matched, as the command says. */
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
/** EX_UNAVAILABLE: something the command needs is not here. */
export const EXIT_UNAVAILABLE = 69;
/** EX_NOPERM: the privilege is missing. */
export const EXIT_NO_PRIVILEGE = 77;
