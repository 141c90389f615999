"""What an operator sees who installs the package on a host with the kernel's WireGuard, without a configuration.

Runs inside an emulated machine as /packages.py beside the parts of tests/boot/drive.py. Makes a WireGuard device with
one client in a network namespace, installs the package, has the client send, and upgrades the package meanwhile.
/out/result.json has what was said and counted.
"""

import json
import os
import re
import subprocess
import time
import traceback

from drive import report, run, wait

SAID = {}
SECONDS = {}
COUNT = 4000
PAYLOAD = 92

SENDER = f"""
import socket, time
to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range({COUNT}):
    to.sendto(bytes({PAYLOAD}), ("10.9.0.1", 9))
    time.sleep(0.002)
"""


def begin(step):
    """Says on the console how far it is, for whoever waits or finds it stuck."""
    SECONDS[step] = round(time.monotonic())
    with open("/dev/console", "w") as console:
        console.write(f"wireguard: {SECONDS[step]} s after the boot: {step}\n")


def judge(holds, what):
    if not holds:
        raise RuntimeError(what)


def apt(step, package):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    command = ["apt-get", "--yes", "install", package]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, env=environment)
    SAID[step] = re.sub(r"\(Reading database [^)]*\n|[^)\n]*%\n", "", done.stdout + done.stderr)
    judge(done.returncode == 0, f"{step}: apt-get ended with {done.returncode}")
    return SAID[step]


def key():
    private = run("wg", "genkey").strip()
    public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True)
    with open(f"/root/{len(os.listdir('/root'))}.key", "w") as file:
        file.write(private)
    return file.name, public.stdout.strip()


def tunnel():
    """A server's device here, with a wg-quick file that root alone may read, and a client in a namespace."""
    (server_file, server), (client_file, client) = key(), key()
    run("ip", "netns", "add", "client")
    run("ip", "link", "add", "outside", "type", "veth", "peer", "name", "outside", "netns", "client")
    run("ip", "address", "add", "192.0.2.1/24", "dev", "outside")
    run("ip", "link", "set", "outside", "up")
    inside = ["ip", "-n", "client"]
    run(*inside, "address", "add", "192.0.2.2/24", "dev", "outside")
    run(*inside, "link", "set", "outside", "up")
    run("ip", "link", "add", "wg0", "type", "wireguard")
    run("wg", "set", "wg0", "listen-port", "51820", "private-key", server_file, "peer", client, "allowed-ips", "10.9.0.2/32")
    run("ip", "address", "add", "10.9.0.1/24", "dev", "wg0")
    run("ip", "link", "set", "wg0", "up")
    os.makedirs("/etc/wireguard", exist_ok=True)
    with open(os.open("/etc/wireguard/wg0.conf", os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        private = open(server_file).read()
        file.write(f"[Interface]\nPrivateKey = {private}\n[Peer]\n# friendly_name = alice\nPublicKey = {client}\nAllowedIPs = 10.9.0.2/32\n")
    run(*inside, "link", "add", "wg0", "type", "wireguard")
    run("ip", "netns", "exec", "client", "wg", "set", "wg0", "private-key", client_file, "peer", server,
        "allowed-ips", "10.9.0.1/32", "endpoint", "192.0.2.1:51820")
    run(*inside, "address", "add", "10.9.0.2/24", "dev", "wg0")
    run(*inside, "link", "set", "wg0", "up")


def node():
    return json.loads(run("blindmeter", "accounts", "export", "--node", "--json"))


def state():
    return subprocess.run(["blindmeter", "status"], capture_output=True, text=True, timeout=120)


def main():
    begin("the tunnel")
    tunnel()
    begin("the installation")
    said = apt("install", "/packages/first.deb")
    judge("wrote /etc/blindmeter/blindmeter.toml for wg0: each peer is an account" in said, "it says what it wrote")
    judge("the service counts" in said, "it says that the service counts")
    begin("the service")
    wait("the device to be attached and read", lambda: state().returncode == 0, 120)
    wait("the peer to be known", lambda: "wireguard" in run("blindmeter", "roster", "counts"), 60)
    # Until two answers of the device are alike, its addresses are nobody's.
    time.sleep(15)
    before = node()
    begin("packets, and an upgrade")
    sender = subprocess.Popen(["ip", "netns", "exec", "client", "python3", "-c", SENDER])
    time.sleep(1)
    said = apt("upgrade", "/packages/second.deb")
    judge("blindmeter.service was restarted and counts on" in said, "it says so")
    begin("what was counted")
    judge(sender.wait(timeout=300) == 0, "the client sends")
    wait("the node to count after the upgrade", lambda: state().returncode == 0, 60)
    # Each look is one of twenty exports a day.
    for _ in range(6):
        time.sleep(5)
        after = node()
        counted = after["attributed"]["up_packets"] - before["attributed"]["up_packets"]
        if counted >= COUNT:
            break
    size = after["attributed"]["up_bytes"] - before["attributed"]["up_bytes"]
    # The IP header has 20 bytes, and that of UDP 8.
    judge((counted, size) == (COUNT, COUNT * (PAYLOAD + 28)), f"sent {COUNT} packets, counted {counted} of {size} bytes")
    unattributed = after["unattributed"]["up_packets"] - before["unattributed"]["up_packets"]
    judge(unattributed == 0, f"all are the peer's; {unattributed} are nobody's")
    return {"packets_sent": COUNT, "packets_counted": counted, "bytes_counted": size, "seconds": SECONDS, "kernel": os.uname().release,
            "status": state().stdout, "configuration": open("/etc/blindmeter/blindmeter.toml").read()}


def told():
    try:
        return {**main(), "said": SAID}
    except Exception as error:
        return {"error": "".join(traceback.format_exception(error)), "said": SAID}


report(told, "/out")
