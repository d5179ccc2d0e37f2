/** Where the configuration lies unless named. Apart from reading it: the command tree must not load what checks it. */
export const DEFAULT_CONFIG = '/etc/p2pwall/p2pwall.toml';
