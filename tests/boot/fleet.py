"""What happens to a master of a fleet's cluster that is killed, under the delivered unit, with its wait and without.

Runs inside the booted system, on which six servers of one cluster are set up as docs/fleet.md says. Writes what was seen to
/result.json. tests/fleet_booted.rs says what it must be.
"""

import os
import signal
import ssl
import socket
import subprocess
import sys
import time

from drive import report, run, wait

PORTS = range(7001, 7007)
FOLDER = "/etc/blindmeter-fleet"
ACCOUNTS = 60


def read(path):
    with open(path) as file:
        return file.read().strip()


def redis(port, *words):
    """What a server answers to whoever joins servers."""
    command = ["redis-cli", "--user", "blindmeter-servers", "--tls", "--cacert", f"{FOLDER}/ca.crt", "-p", str(port)]
    environment = {**os.environ, "REDISCLI_AUTH": read("/servers.password")}
    return subprocess.run(command + list(words), capture_output=True, text=True, timeout=60, env=environment).stdout


class Node:
    """A node's connection to one server: commands as the protocol has them, since words are bytes."""

    def __init__(self, port):
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        context = ssl.create_default_context(cafile=f"{FOLDER}/ca.crt")
        self.stream = context.wrap_socket(plain, server_hostname="127.0.0.1")
        passwords = dict(line.split(":", 1) for line in read("/credentials").splitlines())
        assert self.ask("AUTH", "blindmeter-node", passwords["node"]).startswith(b"+OK")

    def ask(self, *words):
        words = [word if isinstance(word, bytes) else word.encode() for word in words]
        parts = [b"$%d\r\n%s\r\n" % (len(word), word) for word in words]
        self.stream.sendall(b"*%d\r\n%s" % (len(words), b"".join(parts)))
        return self.stream.recv(4096)


def put(identity, ports):
    """A node's words of every account, on whichever master takes them."""
    nodes = [Node(port) for port in ports]
    day, expires = str(int(time.time()) // 86400), str(int(time.time()) + 40 * 86400)
    for account in range(ACCOUNTS):
        words = ("FCALL", "bm_put", "1", b"account-%08d" % account, identity, day, expires, b"node0001", bytes(25))
        answers = [node.ask(*words) for node in nodes]
        assert sum(answer.startswith(b"*") for answer in answers) == 1, answers


def role(port):
    lines = redis(port, "info", "replication").splitlines()
    return next((line[5:] for line in lines if line.startswith("role:")), "")


def held(port):
    keyspace = redis(port, "info", "keyspace")
    return int(keyspace.split("keys=")[1].split(",")[0]) if "keys=" in keyspace else 0


def masters():
    return [port for port in PORTS if role(port) == "master"]


def replica(master):
    return next(port for port in PORTS if f"master_port:{master}\r" in redis(port, "info", "replication") + "\r"
                or f"master_port:{master}\n" in redis(port, "info", "replication"))


def whole():
    told = [redis(port, "cluster", "info") + redis(port, "info", "replication") for port in PORTS]
    return all("cluster_state:ok" in each and ("role:master" in each or "master_link_status:up" in each) for each in told)


def load():
    for port in PORTS:
        run("systemctl", "start", f"blindmeter-fleet-load@{port}.service")


def show(port, key):
    return run("systemctl", "show", "--value", "--property", key, f"blindmeter-fleet@{port}").strip()


def kill(master, back):
    """Kills a master; what became of it and of its replica once it is back, and then at rest."""
    second = replica(master)
    seen = {"held": held(master)}
    wait("the replica has all", lambda: held(second) == seen["held"])
    process = show(master, "MainPID")
    began = time.monotonic()
    os.kill(int(process), signal.SIGKILL)
    while "back" not in seen:
        if "taken_over" not in seen and role(second) == "master":
            seen["taken_over"] = time.monotonic() - began
        if show(master, "ActiveState") == "active" and show(master, "MainPID") != process:
            seen["back"] = time.monotonic() - began
        if time.monotonic() - began > 90:
            raise RuntimeError(f"the server is not back: {seen}")
        time.sleep(0.1)
    wait("both are what they are to be", lambda: [role(master), role(second)] == back and whole(), 60)
    wait("they hold the same", lambda: held(master) == held(second), 60)
    seen["roles"] = [role(master), role(second)]
    seen["left"] = [held(master), held(second)]
    return seen


def main():
    identity = sys.argv[1]
    run("ip", "link", "set", "lo", "up")
    run("systemd-sysusers")
    run("chgrp", "-R", "blindmeter-fleet", FOLDER)
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "--no-block", *[f"blindmeter-fleet@{port}" for port in PORTS])
    for port in PORTS:
        wait(f"server {port}", lambda: "role:" in redis(port, "info", "replication"), 90)
    members = [f"127.0.0.1:{port}" for port in PORTS]
    redis(7001, "--cluster", "create", *members, "--cluster-replicas", "1", "--cluster-yes")
    wait("the cluster is whole", whole, 60)
    load()
    put(identity, masters())

    result = {"with": kill(masters()[0], ["slave", "master"])}
    drop_in = "/etc/systemd/system/blindmeter-fleet@.service.d"
    os.makedirs(drop_in)
    with open(f"{drop_in}/no-wait.conf", "w") as file:
        file.write("[Service]\nExecStartPre=\n")
    run("systemctl", "daemon-reload")
    lost = masters()[0]
    result["without"] = kill(lost, ["master", "slave"])
    load()
    put(identity, masters())
    result["loaded"] = held(lost) == result["without"]["held"]
    result["files"] = sorted({name for port in PORTS for name in os.listdir(f"/run/blindmeter-fleet/{port}")})
    return result


report(main)
