"""A BitTorrent peer for live tests and the demonstration, made of libtorrent. Argument: one JSON object.

save: folder; torrent: file; seed: bool; port: listening port; listen: address;
encryption: "off" | "any" | "required"; transport: "tcp" | "utp" | "both"; peers: [[address, port], ...]; seconds: life time; dht: ["address:port", ...] of
nodes to begin with; lsd: bool; magnet: link, instead of a torrent.
Prints a JSON line {"bytes", "done", "peers", "uploaded"} five times a second.
"""
import json
import sys
import time

import libtorrent as lt

o = json.loads(sys.argv[1])
required = o.get("encryption") == "required"
# libtorrent: 0 forced, 1 enabled, 2 disabled.
policy = {"required": 0, "any": 1}.get(o.get("encryption"), 2)
utp = o.get("transport") in ("utp", "both")
tcp = o.get("transport") != "utp"
host = o.get("listen", "0.0.0.0")
session = lt.session({
    "listen_interfaces": ("[%s]:%d" if ":" in host else "%s:%d") % (host, o["port"]),
    "enable_dht": bool(o.get("dht")), "dht_bootstrap_nodes": ",".join(o.get("dht", [])),
    "enable_lsd": bool(o.get("lsd")), "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": utp, "enable_incoming_utp": utp,
    "enable_outgoing_tcp": tcp, "enable_incoming_tcp": tcp,
    "out_enc_policy": policy, "in_enc_policy": policy,
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
if o.get("magnet"):
    params = lt.parse_magnet_uri(o["magnet"])
    params.save_path = o["save"]
else:
    params = {"ti": lt.torrent_info(o["torrent"]), "save_path": o["save"]}
    if o.get("seed"):
        params["flags"] = lt.torrent_flags.seed_mode
handle = session.add_torrent(params)
again = 0
while time.time() < end:
    if time.time() >= again:
        for address, port in o.get("peers", []):
            handle.connect_peer((address, port))
        again = time.time() + 3
    s = handle.status()
    print(json.dumps({"bytes": s.total_payload_download, "done": s.is_seeding, "peers": s.num_peers, "uploaded": s.total_payload_upload}), flush=True)
    time.sleep(0.2)
