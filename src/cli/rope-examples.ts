/** What the help of `rope` and of each of its subcommands shows to be typed. */
import type { ExampleTable } from './examples.js';

export const ROPE_EXAMPLES: ExampleTable = {
  '': [
    ['rope bittorrent.rope capture.pcap', 'which packets match?'],
    ['rope --trace contlen.rp reply.pkt', 'each step: source, stack, offset'],
    ['tcpdump -w - | rope -q gnutella.rp -', 'only the count and the exit status'],
    ['rope debug contlen.rope reply.pkt', 'step through a script'],
    ['rope test my-script.md', 'run test cases (docs/rope-tests.md)'],
    ['rope words lift_while', 'what does this word do?'],
    ['rope load bittorrent.rope --name bt', 'into the kernel; then, in a rule:'],
    ['iptables -A FORWARD $(rope rule bt) -j DROP', ''],
  ],
  run: [
    ['rope run --matches dht.rope capture.pcap', 'only the packets that match'],
    ['rope run --push-int 2000000 contlen.rope c.pcap', 'with an argument on the stack'],
    ['rope run --backend ebpf bittorrent.rp c.pcap', 'as the kernel would run it'],
    ['rope run --profile slow.rope capture.pcap', 'how often each line ran'],
  ],
  debug: [
    ['rope debug contlen.rope reply.pkt', 'h explains the keys'],
    ['rope debug --packet 17 x.rope capture.pcap', 'on the 17th packet'],
  ],
  test: [
    ['rope test my-script.md', 'exit 1 when a case fails'],
    ['rope test -v test/*.md', 'name the cases that pass, too'],
  ],
  load: [
    ['rope load bittorrent.rope --name bt', 'then: iptables -A FORWARD $(rope rule bt) -j DROP'],
    ['rope load contlen.rp --name big --push-int 9000000', 'with an argument'],
    ['rope load odd.rope --name odd --via queue', 'beyond eBPF: stays in the foreground and answers the queue'],
  ],
  unload: [['rope unload bt big', 'after their rules are gone']],
  list: [
    ['rope list', 'hits, errors, hotdrops of each script'],
    ['rope list --measure 5', 'and the time of a run, over five seconds'],
  ],
  rule: [
    ['iptables -A FORWARD $(rope rule bt) -j DROP', 'drop what matches'],
    ["iptables -A FORWARD $(rope rule '!bt') -j ACCEPT", 'accept what does not'],
    ['rope rule bt --chain FORWARD --jump DROP', 'print the whole rule'],
  ],
  greg: [
    ['rope greg 3', 'print register 3'],
    ['rope greg 3 0x10', 'set it while scripts run'],
  ],
  clock: [['rope clock', 'after the clock was set']],
  words: [
    ['rope words', 'all words and registers'],
    ['rope words lift_while $kernel_time', 'what they do, with stack effects'],
  ],
  completion: [
    ['eval "$(rope completion bash)"', 'in ~/.bashrc'],
    ['rope completion fish | source', 'in config.fish'],
  ],
};
