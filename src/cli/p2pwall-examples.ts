/** What the help of `p2pwall` and of each of its subcommands shows to be typed. */
import type { ExampleTable } from './examples.js';

export const P2PWALL_EXAMPLES: ExampleTable = {
  '': [
    ['p2pwall identify capture.pcap', 'what peer-to-peer traffic does a capture hold?'],
    ['tcpdump -w - | p2pwall identify -', 'the same of what comes from a pipe'],
    ['p2pwall explain capture.pcap', 'which packet, which bytes, which rule'],
    ['p2pwall protocols', 'what can be recognised'],
    ['p2pwall check && p2pwall run', 'guard a gateway as /etc/p2pwall/p2pwall.toml says'],
    ['p2pwall top', 'watch it at work'],
    ['p2pwall help block', 'more on one command'],
  ],
  identify: [
    ['p2pwall identify capture.pcap', 'summary by protocol, then the flows'],
    ['p2pwall identify --flows 0 *.pcap.gz', 'summaries of many captures, no flows'],
    ['p2pwall identify --json *.pcap | jq -c .p2p', 'one JSON object for each flow with a finding'],
    ['p2pwall identify --json --all day.pcapng', 'and for those without'],
    ['tcpdump -i eth0 -w - | p2pwall identify -', 'from a pipe; Ctrl-C ends it with the summary'],
  ],
  explain: [
    ['p2pwall explain capture.pcap', 'the first 20 findings'],
    ['p2pwall explain capture.pcap 10.0.0.5:6881', 'the flows of one endpoint, also without a finding'],
    ['p2pwall explain --json capture.pcap 4711', 'the flow with this flow_id of identify --json'],
  ],
  protocols: [
    ['p2pwall protocols', 'a table of ids, titles, categories and features'],
    ['p2pwall protocols --json | jq -r .id', 'the ids that rules may name'],
  ],
  cut: [
    ['p2pwall cut --list 10.0.0.5', 'what would be cut, and nothing is'],
    ['p2pwall cut 10.0.0.5 22', 'connections of its port 22, at both ends'],
    ['p2pwall cut --p2p file-sharing --hold 60', 'what the running wall knows; refused for a minute'],
  ],
  run: [
    ['p2pwall run', 'as /etc/p2pwall/p2pwall.toml says; Ctrl-C takes all down'],
    ['p2pwall run --config ./p2pwall.toml', 'with another configuration'],
  ],
  down: [['p2pwall down', 'after kill -9, or when the wall does not answer']],
  check: [
    ['p2pwall check', 'before the first start, and after each change'],
    ['p2pwall check --config ./new.toml && echo good', 'exit 2: mistakes in the file, 69: the machine lacks something'],
  ],
  rules: [
    ['p2pwall rules | less', 'iptables, ip6tables, ipset and tc, as they would be loaded'],
    ['p2pwall rules --nft | nft -c -f -', 'as an nftables table, and whether nft takes it'],
  ],
  status: [
    ['p2pwall status', 'packets, flows, verdicts, troubles'],
    ['p2pwall status --json | jq .packets', 'for scripts'],
  ],
  flows: [
    ['p2pwall flows', 'who speaks what with whom, and what was done'],
    ["p2pwall flows --json | jq -r '.[].src_ip' | sort | uniq -c", 'flows of each client'],
  ],
  peers: [['p2pwall peers', 'what is held back for whom, and for how long']],
  top: [
    ['p2pwall top', 'keys are explained in its last line; q ends it'],
    ['p2pwall top --once', 'one table, for a mail or a cron job'],
  ],
  block: [
    ['p2pwall block 192.168.1.77', 'for ten minutes; its connections end at both sides'],
    ['p2pwall block 2001:db8::7 --for 2h', 'longer'],
  ],
  unblock: [['p2pwall unblock 192.168.1.77', 'before its time is over']],
  reload: [['p2pwall check && p2pwall reload', 'a wrong file leaves the running policy as it is']],
  completion: [
    ['eval "$(p2pwall completion bash)"', 'in ~/.bashrc'],
    ['p2pwall completion fish | source', 'in config.fish'],
  ],
};
