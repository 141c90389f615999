"""What an operator does with the package on a bare booted Debian, read as he would read it.

Runs inside the booted system as /packages.py beside the parts of tests/boot/drive.py. Installs the package where
there is no WireGuard interface and follows the three commands that it names; runs a second node; upgrades under
traffic, with a good and with a broken configuration; removes, installs again, and purges. Every step is judged here;
/result.json has what was said and counted. Knows nothing of the package but what a user sees.
"""

import ctypes
import json
import os
import pathlib
import re
import struct
import subprocess
import time

from drive import LENGTH, Traffic, report, run, tun, wait

FOLDER = "/etc/blindmeter"
OWN = {"blindmeter": None, "blindmeter@par2": "par2"}
SAID = {}


def judge(holds, what):
    if not holds:
        raise RuntimeError(what)


def apt(step, *words):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    command = ["apt-get", "--yes", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    SAID[step] = re.sub(r"\(Reading database [^)]*\n|[^)\n]*%\n", "", done.stdout + done.stderr)
    judge(done.returncode == 0, f"{step}: apt-get ended with {done.returncode}")
    judge(not re.search(r"warning|error", SAID[step], re.IGNORECASE), f"{step}: nothing to worry about is said")
    return SAID[step]


def state(unit):
    words = ["systemctl", "show", "--property", "ActiveState,SubState,MainPID", unit]
    return dict(line.split("=", 1) for line in run(*words).splitlines() if line)


def is_enabled(unit):
    return subprocess.run(["systemctl", "--quiet", "is-enabled", unit], capture_output=True).returncode == 0


def config(node):
    return f"{FOLDER}/{node}/blindmeter.toml" if node else f"{FOLDER}/blindmeter.toml"


def status(node):
    words = ["blindmeter", "status", "--config", config(node)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def attached(node):
    wait(f"{node or 'the node'} to be attached", lambda: status(node).returncode == 0)


def counted(node):
    text = run("blindmeter", "accounts", "export", "--node", "--json", "--config", config(node))
    told = json.loads(text)
    return sum(told[kind]["up_packets"] for kind in ("attributed", "unattributed"))


def programs(interface):
    """How many of the kernel's programs are attached to a device's tcx hooks, and filters to its qdiscs."""
    index = int(pathlib.Path(f"/sys/class/net/{interface}/ifindex").read_text())
    found = 0
    for hook in (46, 47):
        ids = (ctypes.c_uint32 * 16)()
        # BPF_PROG_QUERY: device, hook, two words of flags, where the numbers go, and how many there is room for.
        words = struct.pack("<IIIIQI28x", index, hook, 0, 0, ctypes.addressof(ids), 16)
        query = ctypes.create_string_buffer(words, 64)
        if ctypes.CDLL(None, use_errno=True).syscall(321, 16, query, 64) == 0:
            found += struct.unpack_from("<I", query, 24)[0]
        filters = run("tc", "filter", "show", "dev", interface, "ingress" if hook == 46 else "egress")
        found += filters.count("blindmeter-")
    return found


def files():
    """Every file of the system, but for what the kernel, the package manager and the journal keep."""
    not_ours = ("/proc", "/sys", "/dev", "/tmp", "/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log", "/root")
    found = set()
    for folder, folders, names in os.walk("/"):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in not_ours]
        found.update(os.path.join(folder, name) for name in folders + names)
    systemd = re.compile(r"^/run/(systemd|user|credentials|udev|log|utmp|lock|initctl|mount|sendsigs)")
    return {path for path in found if not systemd.match(path) and not path.startswith("/var/lib/systemd")}


def install():
    before = files()
    said = apt("install", "install", "/packages/first.deb")
    judge("not started: no configuration is there, and no WireGuard interface" in said, "it says why it is not started")
    judge("made the root key /etc/blindmeter/ledger.key; keep a copy elsewhere" in said, "it says that there is a key")
    judge(state("blindmeter")["ActiveState"] == "inactive", "nothing was started")
    judge(not is_enabled("blindmeter"), "nothing that would fail starts at the next boot")
    judge(run("systemctl", "--failed", "--no-legend") == "", "no unit failed")
    modes = {path: oct(os.stat(path).st_mode & 0o777) for path in (FOLDER, f"{FOLDER}/ledger.key")}
    judge(modes == {FOLDER: "0o750", f"{FOLDER}/ledger.key": "0o600"}, f"folder and key are closed: {modes}")
    judge(os.stat(f"{FOLDER}/ledger.key").st_size == 32, "the key has 32 bytes")
    return before


def follow(said):
    """The three commands that it names, as they stand."""
    lines = said.split("next, as root:\n", 1)[1].splitlines()
    commands = [line.split("#")[0].strip() for line in lines if line.startswith("  ")][:3]
    judge(len(commands) == 3, f"three commands are named: {commands}")
    for command in commands:
        done = subprocess.run(["sh", "-c", command.replace("NAME", "tun0")], capture_output=True, text=True, timeout=60)
        judge(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")
    attached(None)
    judge(is_enabled("blindmeter"), "it starts at the next boot")
    return commands


def second_node():
    """As docs/operating.md has it."""
    os.mkdir(f"{FOLDER}/par2")
    with open(os.open(f"{FOLDER}/par2/ledger.key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as key:
        key.write(os.urandom(32))
    text = run("blindmeter", "gen", "config", "--interface", "tun1", "--instance", "par2")
    with open(config("par2"), "w") as file:
        file.write(text.replace("127.0.0.1:9776", "127.0.0.1:9876"))
    checked = run("blindmeter", "check", "--config", config("par2"))
    judge("read as user blindmeter (User= of the unit)" in checked, f"it is read as the daemon's user: {checked}")
    run("systemctl", "enable", "--now", "blindmeter@par2")
    attached("par2")


def upgrade(step, package):
    before = {unit: state(unit)["MainPID"] for unit in OWN}
    said = apt(step, "install", package)
    after = {unit: state(unit)["MainPID"] for unit in OWN}
    return said, [unit for unit in OWN if before[unit] != after[unit]]


def all_is_counted(traffic):
    for node, one in traffic.items():
        one.done = True
        one.join()
        wait(f"every packet of {node or 'the node'}", lambda: counted(node) >= one.sent, 15)
    sent = {str(node): one.sent for node, one in traffic.items()}
    found = {str(node): counted(node) for node in traffic}
    judge(sent == found and all(number > 1000 for number in sent.values()), f"sent {sent}, counted {found}")
    return {"packets_sent": sent, "packets_counted": found, "packet_bytes": LENGTH}


def main():
    before = install()
    devices = {None: tun("tun0"), "par2": tun("tun1")}
    commands = follow(SAID["install"])
    second_node()
    traffic = {node: Traffic(device) for node, device in devices.items()}
    for one in traffic.values():
        one.start()
    time.sleep(1)
    said, restarted = upgrade("upgrade", "/packages/second.deb")
    judge(restarted == list(OWN), f"both nodes run the new program: {restarted}")
    judge(said.count("was restarted and counts on") == 2, "it says so")
    for node in devices:
        attached(node)
    time.sleep(1)
    # A configuration that is broken since the start: a restart would end the daemon.
    with open(config("par2")) as file:
        good = file.read()
    with open(config("par2"), "w") as file:
        file.write(good.replace("[tap]", "[tap"))
    said, restarted = upgrade("upgrade with a broken configuration", "/packages/third.deb")
    judge(restarted == ["blindmeter"], f"what would end is left alone: {restarted}")
    judge("blindmeter@par2.service was not restarted, and stays as it was" in said, "it says so")
    with open(config("par2"), "w") as file:
        file.write(good)
    time.sleep(1)
    figures = all_is_counted(traffic)

    said = apt("remove", "remove", "blindmeter")
    judge(said.count(" was stopped") == 2 and "configuration and keys stay in /etc/blindmeter" in said, "it says what stays")
    judge([state(unit)["ActiveState"] for unit in OWN] == ["inactive"] * 2, "both nodes are stopped")
    judge(programs("tun0") + programs("tun1") == 0, "nothing is left in the kernel")
    left = sorted(path for path in files() - before if "/__pycache__" not in path)
    kept = (FOLDER, "/var/lib/blindmeter", "/etc/systemd/system/multi-user.target.wants/blindmeter")
    judge(all(path.startswith(kept) for path in left), f"configuration and state are left, and nothing else: {left}")

    said = apt("install again", "install", "/packages/third.deb")
    judge(said.count(" was started and counts on") == 2, "it says so")
    for node in devices:
        attached(node)
        judge(counted(node) == figures["packets_sent"][str(node)], f"{node}: what was counted is still there")
    judge(programs("tun0") > 0, "the count of programs finds those of a node that runs")

    said = apt("purge", "purge", "blindmeter")
    judge("the user blindmeter and the groups blindmeter-support and blindmeter-privacy stay" in said, "it says what stays")
    judge(programs("tun0") + programs("tun1") == 0, "nothing is left in the kernel")
    left = sorted(path for path in files() - before if "/__pycache__" not in path)
    # Copies that systemd-sysusers keeps of the files it changed.
    ours = [path for path in left if not re.fullmatch(r"/etc/(passwd|group|shadow|gshadow)-", path)]
    judge(ours == [], f"nothing is left but users and groups: {ours}")
    names = {name: run("getent", "group", name) != "" for name in ("blindmeter", "blindmeter-support", "blindmeter-privacy")}
    judge(all(names.values()), f"user and groups stay, as it is said: {names}")
    return {"commands": commands, "said": SAID, **figures, "left_after_purge": left}


def told():
    try:
        return main()
    except Exception as error:
        return {"error": str(error), "said": SAID}


report(told)
