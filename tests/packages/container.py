"""What an operator does with the container, in a network and mounts that tests/packages/container has made.

Writes a configuration and a key as docs/container.md has it, starts deploy/container/compose.yaml with podman-compose, has
one account talk through a TUN meanwhile, replaces the container, and judges what is counted, what the process may do and
what is left. Prints what it saw.
"""

import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, "tests/boot")

from drive import LENGTH, Traffic, run, tun, wait  # noqa: E402

USER = 9776
COMPOSE = ["podman-compose", "-f", "deploy/container/compose.yaml", "-f", sys.argv[1]]


def judge(holds, what):
    if not holds:
        raise RuntimeError(what)


def compose(*words):
    done = subprocess.run([*COMPOSE, *words], capture_output=True, text=True, timeout=120)
    judge(done.returncode == 0, f"{words}: {done.stdout}{done.stderr}")


def container():
    return run("podman", "ps", "--quiet").strip()


def inside(*words, user=None):
    options = ["--user", user] if user else []
    command = ["podman", "exec", *options, container(), "/usr/bin/blindmeter", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def is_attached():
    return container() and inside("status").returncode == 0


def counted():
    told = inside("accounts", "export", "--node", "--json", user="0")
    judge(told.returncode == 0, told.stderr)
    told = json.loads(told.stdout)
    return told["attributed"]["up_packets"], told["attributed"]["up_bytes"]


def configure():
    with open(os.open("/etc/blindmeter/ledger.key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
        key.write(os.urandom(32))
    os.chown("/etc/blindmeter/ledger.key", USER, USER)
    shutil.copy("deploy/container/seccomp.json", "/etc/blindmeter/")
    text = run("podman", "run", "--rm", "--network", "host", "--cap-drop", "all", "--cap-add",
               "bpf,net_admin", "--volume", "/etc/blindmeter:/etc/blindmeter:ro", "localhost/blindmeter", "gen", "config", "--interface", "tun0")
    with open("/etc/blindmeter/roster.csv", "w") as file:
        file.write("prefix,account\n10.8.0.2/32,one\n")
    with open("/etc/blindmeter/blindmeter.toml", "w") as file:
        file.write(text.replace("[tap]\n", "[tap]\nbackend = \"kernel\"\npin = \"/bpf/tap\"\n").replace("[roster]\n", "[roster]\nfile = \"/etc/blindmeter/roster.csv\"\n"))


def process():
    number = run("podman", "inspect", "--format", "{{.State.Pid}}", container()).strip()
    with open(f"/proc/{number}/status") as file:
        return dict(line.strip().split(":\t", 1) for line in file if ":\t" in line)


def main():
    device = tun("tun0")
    configure()
    compose("up", "--detach")
    wait("the device to be attached", is_attached, 20)
    print(inside("status").stdout)
    seen = process()
    judge(seen["Uid"].split() == [str(USER)] * 4, f"it runs as its own user: {seen['Uid']}")
    # CAP_NET_ADMIN is bit 12 and CAP_BPF bit 39; the daemon has let go of both.
    judge(int(seen["CapBnd"], 16) & ~(1 << 12 | 1 << 39) == 0, f"nothing else could be gained: {seen['CapBnd']}")
    judge(int(seen["CapEff"], 16) == 0 and seen["NoNewPrivs"] == "1" and seen["Seccomp"] == "2", f"it confined itself: {seen}")
    mounts = run("podman", "inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.NetworkMode}}", container()).strip()
    judge(mounts == "true host", f"its root is read-only, and its network the host's: {mounts}")

    traffic = Traffic(device)
    traffic.start()
    time.sleep(1)
    before = container()
    compose("down")
    judge(container() == "", "the first container is gone")
    time.sleep(1)
    compose("up", "--detach")
    wait("the device to be attached again", is_attached, 20)
    judge(container() != before, "another container counts on")
    time.sleep(1)
    traffic.done = True
    traffic.join()
    # An export of the node is one of twenty a day: it is asked once, when all has been read.
    time.sleep(2)
    figures = counted()
    judge(figures == (traffic.sent, traffic.sent * LENGTH), f"sent {traffic.sent} packets, counted {figures}")
    page = run("curl", "--silent", "--show-error", "http://127.0.0.1:9776/metrics")
    judge("blindmeter_tap_attached" in page, "Prometheus on the host reads the page")
    print(f"container: sent {traffic.sent} packets, counted {figures[0]} of {figures[1]} bytes, over a replacement of the container")

    compose("down")
    run("podman", "run", "--rm", "--network", "host", "--cap-drop", "all", "--cap-add", "bpf,net_admin", "--read-only",
        "--security-opt", "seccomp=/etc/blindmeter/seccomp.json",
        "--volume", "/etc/blindmeter:/etc/blindmeter:ro", "--volume", "/var/lib/blindmeter:/var/lib/blindmeter",
        "--volume", "/run/blindmeter:/run/blindmeter", "--volume", "/sys/fs/bpf/blindmeter:/bpf",
        "localhost/blindmeter", "detach")
    left = run("tc", "filter", "show", "dev", "tun0", "ingress") + "".join(os.listdir("/sys/fs/bpf/blindmeter"))
    judge("blindmeter" not in left and os.listdir("/sys/fs/bpf/blindmeter") == [], f"nothing is left in the kernel: {left}")


try:
    main()
except Exception:
    for words in (["ps", "--all"], ["logs", "--latest"]):
        subprocess.run(["podman", *words], timeout=60)
    raise
