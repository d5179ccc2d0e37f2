/** Numbers of the protocols we decode, under the names of their registries. */

// IANA "Assigned Internet Protocol Numbers".
export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_ICMP = 1;
export const IPPROTO_IPIP = 4;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_GRE = 47;
export const IPPROTO_ESP = 50;
export const IPPROTO_AH = 51;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;
export const IPPROTO_MH = 135;

// RFC 9293 section 3.1: control bits.
export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;
export const IPPROTO_SCTP = 132;
export const IPPROTO_UDPLITE = 136;
export const IPPROTO_HIP = 139;
export const IPPROTO_SHIM6 = 140;

// IEEE 802 numbers: EtherTypes.
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
/** Transparent Ethernet bridging inside GRE. */
export const ETHERTYPE_TEB = 0x6558;
/** IEEE 802.1Q tag; 802.1ad service tag; two values used for stacked tags before 802.1ad. */
export const ETHERTYPE_VLAN = 0x8100;
export const ETHERTYPE_QINQ = 0x88a8;
export const ETHERTYPE_QINQ_OLD = 0x9100;
export const ETHERTYPE_QINQ_OLDER = 0x9200;
export const ETHERTYPE_IPV6 = 0x86dd;
/** Enhanced GRE of PPTP (RFC 2637 section 4.1). */
export const ETHERTYPE_PPP = 0x880b;
export const ETHERTYPE_MPLS = 0x8847;
export const ETHERTYPE_MPLS_MULTICAST = 0x8848;
export const ETHERTYPE_PPPOE_SESSION = 0x8864;
/** Provider backbone bridging, IEEE 802.1ah: a service tag, then a whole Ethernet frame. */
export const ETHERTYPE_PBB = 0x88e7;
/** Cisco FabricPath: a forwarding tag, then a whole Ethernet frame. */
export const ETHERTYPE_FABRICPATH = 0x8903;
/** Mirrored Ethernet frames inside GRE: ERSPAN types I and II, and III. */
export const ETHERTYPE_ERSPAN = 0x88be;
export const ETHERTYPE_ERSPAN_III = 0x22eb;
/** Ethernet over IP of MikroTik routers, inside GRE. */
export const ETHERTYPE_EOIP = 0x6400;

// PPP protocol field, IANA "PPP DLL Protocol Numbers".
export const PPP_IPV4 = 0x0021;
export const PPP_IPV6 = 0x0057;
export const PPP_MPLS = 0x0281;
export const PPP_MPLS_MULTICAST = 0x0283;
