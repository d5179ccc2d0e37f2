"""A BitTorrent peer for live tests and the demonstration, made of libtorrent. Argument: one JSON object.

save: folder; torrent: file, absent for a node of the hash table only; seed: bool; wants: false downloads nothing and stays connected;
port: listening port; listen: address; encryption, incoming: "off" | "any" | "required", of both ways unless incoming says otherwise;
transport: "tcp" | "utp" | "both"; peers: [[address, port], ...]; seconds: life time; dht: ["address:port", ...] of nodes to begin with;
table: a node of a hash table in this lab, "address:port", or "" to be the first; lsd: bool; magnet: link, instead of a torrent.
Prints a JSON line {"bytes", "done", "peers", "uploaded"} five times a second.
"""
import json
import sys
import time

import libtorrent as lt

o = json.loads(sys.argv[1])
required = o.get("encryption") == "required"
# libtorrent: 0 forced, 1 enabled, 2 disabled.
POLICY = {"required": 0, "any": 1}
policy = POLICY.get(o.get("encryption"), 2)
incoming = POLICY.get(o["incoming"], 2) if "incoming" in o else policy
utp = o.get("transport") in ("utp", "both")
tcp = o.get("transport") != "utp"
host = o.get("listen", "0.0.0.0")
session = lt.session({
    "listen_interfaces": ("[%s]:%d" if ":" in host else "%s:%d") % (host, o["port"]),
    "enable_dht": bool(o.get("dht")) or "table" in o, "dht_bootstrap_nodes": ",".join(o.get("dht", [])),
    # All addresses of a lab are in one network, and its swarms are small.
    **({"dht_restrict_routing_ips": False, "dht_restrict_search_ips": False, "dht_enforce_node_id": False,
        "dht_ignore_dark_internet": False, "dht_announce_interval": 10} if "table" in o else {}),
    "close_redundant_connections": False,
    "enable_lsd": bool(o.get("lsd")), "local_service_announce_interval": 10, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": utp, "enable_incoming_utp": utp,
    "enable_outgoing_tcp": tcp, "enable_incoming_tcp": tcp,
    "out_enc_policy": policy, "in_enc_policy": incoming,
    "allowed_enc_level": 2 if required else 3, "prefer_rc4": required,
    "min_reconnect_time": 2, "max_failcount": 50, "peer_connect_timeout": 4, "tracker_receive_timeout": 5,
    "allow_multiple_connections_per_ip": True,
})
end = time.time() + o.get("seconds", 60)
if o.get("dht"):
    # A torrent that is added before the table has nodes is not looked up for a quarter of an hour.
    while time.time() < end and session.status().dht_nodes == 0:
        print(json.dumps({"bytes": 0, "done": False, "peers": 0, "uploaded": 0}), flush=True)
        time.sleep(0.2)
if o.get("table"):
    # Not a bootstrap node: those are asked for nodes only and never enter the table.
    address, port = o["table"].split(":")
    while time.time() < end and session.status().dht_nodes == 0:
        session.add_dht_node((address, int(port)))
        time.sleep(0.5)
if "torrent" not in o and not o.get("magnet"):
    time.sleep(o.get("seconds", 60))
    sys.exit()
if o.get("magnet"):
    params = lt.parse_magnet_uri(o["magnet"])
    params.save_path = o["save"]
else:
    params = {"ti": lt.torrent_info(o["torrent"]), "save_path": o["save"]}
    if o.get("seed"):
        params["flags"] = lt.torrent_flags.seed_mode
handle = session.add_torrent(params)
if not o.get("wants", True):
    handle.prioritize_files([0])
again = 0
while time.time() < end:
    if time.time() >= again:
        for address, port in o.get("peers", []):
            handle.connect_peer((address, port))
        again = time.time() + 3
    s = handle.status()
    print(json.dumps({"bytes": s.total_payload_download, "done": s.is_seeding, "peers": s.num_peers, "uploaded": s.total_payload_upload}), flush=True)
    time.sleep(0.2)
