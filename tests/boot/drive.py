"""What an operator and the package manager do to the unit on a booted system, under steady traffic.

Runs inside the booted system. Sends packets through a TUN all the time, starts, reloads,
kills, restarts and upgrades the service meanwhile, and writes what was sent and what was counted to
/result.json. Knows nothing of the program but its commands. tests/boot/remote.py and tests/packages/drive.py
use its parts.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

LENGTH = 120


def run(*words, ok=(0,)):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.returncode not in ok:
        raise RuntimeError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def wait(what, probe, seconds=30):
    end = time.monotonic() + seconds
    while not (found := probe()):
        if time.monotonic() > end:
            raise RuntimeError(f"waited for {what}")
        time.sleep(0.05)
    return found


def packet():
    source, to = socket.inet_aton("10.8.0.2"), socket.inet_aton("192.0.2.1")
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, LENGTH, 0, 0, 64, 17, 0, source, to)
    return header + bytes(LENGTH - len(header))


class Traffic(threading.Thread):
    """One account that talks all the time; a write is a packet that arrives from the tunnel."""

    def __init__(self, tun):
        super().__init__()
        self.tun, self.sent, self.done = tun, 0, False

    def run(self):
        what = packet()
        while not self.done:
            os.write(self.tun, what)
            self.sent += 1
            time.sleep(0.0005)


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    # TUNSETIFF; IFF_TUN and IFF_NO_PI.
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH14x", name.encode(), 0x1001))
    run("ip", "link", "set", name, "up")
    return device


def show(key):
    return run("systemctl", "show", "--value", "--property", key, "blindmeter").strip()


def attached():
    return subprocess.run(["blindmeter", "status"], capture_output=True, timeout=30).returncode == 0


def counted():
    report = json.loads(run("blindmeter", "accounts", "export", "--node", "--json"))
    return report["attributed"]["up_packets"], report["attributed"]["up_bytes"]


def filters():
    text = run("tc", "filter", "show", "dev", "tun0", "ingress") + run("tc", "filter", "show", "dev", "tun0", "egress")
    return text.count("blindmeter-")


def main():
    hook = sys.argv[1]
    result = {"hook": hook, "steps": []}
    with open("/etc/blindmeter/blindmeter.toml") as file:
        configuration = file.read()
    write_configuration(configuration.replace('hook = "auto"', f'hook = "{hook}"'))
    run("systemctl", "start", "blindmeter")
    result["steps"].append("started")
    device = tun("tun0")
    wait("the TUN to be attached", attached)
    result["status"] = json.loads(run("blindmeter", "status", "--json"))
    with open(f"/proc/{show('MainPID')}/status") as file:
        result["process"] = dict(line.strip().split(":\t", 1) for line in file if ":\t" in line)
    traffic = Traffic(device)
    traffic.start()
    time.sleep(1)
    run("systemctl", "reload", "blindmeter")
    wait("the reload", lambda: show("ActiveState") == "active")
    result["steps"].append("reloaded")
    # One that is refused fails, and the service goes on with what it had.
    with open("/etc/blindmeter/blindmeter.toml") as file:
        good = file.read()
    write_configuration(good.replace("[tap]", "[tap", 1))
    refused = subprocess.run(["systemctl", "reload", "blindmeter"], capture_output=True, timeout=60)
    told = subprocess.run(["blindmeter", "status", "--socket", "/run/blindmeter/control.sock"], capture_output=True, text=True)
    result["refused"] = [refused.returncode != 0, told.returncode, "REFUSED: " in told.stdout, show("ActiveState")]
    write_configuration(good)
    run("systemctl", "reload", "blindmeter")
    wait("the reload after a refusal", attached)
    time.sleep(1)
    for _ in range(3):
        before = int(show("MainPID"))
        os.kill(before, signal.SIGKILL)
        wait("the restart after a kill", lambda: int(show("MainPID")) not in (0, before) and attached())
        time.sleep(0.5)
    result["steps"].append("killed")
    run("systemctl", "restart", "blindmeter")
    wait("the restart", attached)
    result["steps"].append("restarted")
    time.sleep(0.5)
    # A package puts another program in the place of the old one, and restarts the service.
    shutil.copy("/usr/bin/blindmeter", "/usr/bin/blindmeter.new")
    os.rename("/usr/bin/blindmeter.new", "/usr/bin/blindmeter")
    write_configuration(configuration.replace('hook = "auto"', f'hook = "{hook}"').replace("capacity = 64", "capacity = 640"))
    run("systemctl", "try-restart", "blindmeter")
    wait("the restart of the upgrade", attached)
    result["steps"].append("upgraded")
    time.sleep(1)
    traffic.done = True
    traffic.join()
    wait("every packet", lambda: counted()[0] >= traffic.sent, 10)
    packets, size = counted()
    result["sent"] = {"packets": traffic.sent, "bytes": traffic.sent * LENGTH}
    result["counted"] = {"packets": packets, "bytes": size}
    result["filters_running"] = filters()
    run("blindmeter", "roster", "assign", "10.8.0.77", "booted")
    run("systemctl", "stop", "blindmeter")
    result["steps"].append("stopped")
    kept = os.stat("/run/blindmeter/control.kept")
    result["kept_stopped"] = [oct(kept.st_mode & 0o777), kept.st_uid != 0]
    result["filters_stopped"] = filters()
    # The kernel's own two files are always there.
    result["pins_stopped"] = sorted(set(os.listdir("/sys/fs/bpf")) - {"maps.debug", "progs.debug"})
    result["state_stopped"] = show("ActiveState") + " " + show("Result")
    result["descriptors_stopped"] = show("NFileDescriptorStore")
    # Nothing counts while it is stopped.
    for _ in range(50):
        os.write(device, packet())
    run("systemctl", "start", "blindmeter")
    wait("the last start", attached)
    result["counted_after_stop"] = counted()[0]
    result["kept_started"] = os.path.exists("/run/blindmeter/control.kept")
    # Root is told whether the address was assigned.
    unassigned = subprocess.run(["blindmeter", "roster", "unassign", "10.8.0.77"], capture_output=True)
    result["assigned_after_stop"] = unassigned.returncode == 0
    mode = lambda path: oct(os.stat(path).st_mode & 0o777)
    result["modes"] = {path: mode(path) for path in ("/var/lib/blindmeter", "/var/lib/blindmeter/ledger.sealed", "/run/blindmeter")}
    result["owner"] = os.stat("/var/lib/blindmeter/ledger.sealed").st_uid
    run("systemctl", "stop", "blindmeter")
    return result


def write_configuration(text):
    with open("/etc/blindmeter/blindmeter.toml.new", "w") as file:
        file.write(text)
    os.rename("/etc/blindmeter/blindmeter.toml.new", "/etc/blindmeter/blindmeter.toml")


def report(work, folder="/"):
    """Does the work, writes its result or what went wrong to a folder, and ends the system."""
    try:
        answer = work()
    except Exception as error:  # The test shows whatever went wrong.
        answer = {"error": str(error), "service": show("Result,ExecMainCode,ExecMainStatus,NRestarts,StatusText")}
    subprocess.run(["journalctl", "--sync"])
    journal = ["journalctl", "--no-pager", "-o", "cat", "-u", "blindmeter*"]
    answer["journal"] = subprocess.run(journal, capture_output=True, text=True).stdout
    place = os.path.join(folder, "result.json")
    with open(place + ".new", "w") as file:
        json.dump(answer, file)
    os.rename(place + ".new", place)
    os.sync()
    subprocess.run(["systemctl", "poweroff", "--force", "--force"])


if __name__ == "__main__":
    report(main)
