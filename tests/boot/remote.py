"""What an operator does to let a Prometheus on another host scrape the booted service: docs/monitoring.md.

Runs inside the booted system beside the parts of tests/boot/drive.py. The other host is a network namespace with two
addresses: Prometheus's own, which the drop-in names, and a stranger's. Writes what each of them met, before and
after, to /result.json. Knows nothing of the program but its commands and its page.
"""

import json
import os
import shutil
import subprocess
import sys

from drive import report, run, wait

HERE, PROMETHEUS, STRANGER = "192.0.2.1", "192.0.2.10", "192.0.2.11"
PASSWORD = sys.argv[1]
DROP_IN = "/etc/systemd/system/blindmeter.service.d/remote-prometheus.conf"

# Asks for the page from an address, with or without the log-in; prints the status, or what went wrong.
SCRAPE = """
import base64, http.client, ssl, sys
source, to, password, seconds = sys.argv[1:]
context = ssl.create_default_context(cafile="/etc/blindmeter/web/server.crt")
connection = http.client.HTTPSConnection(to, 9776, timeout=float(seconds), source_address=(source, 0), context=context)
headers = {"Authorization": "Basic " + base64.b64encode(b"prometheus:" + password.encode()).decode()} if password else {}
try:
    connection.request("GET", "/metrics", headers=headers)
    answer = connection.getresponse()
    page = answer.read().decode()
    print(answer.status, "blindmeter_epoch 0" in page)
except OSError as error:
    print(type(error).__name__)
"""


def scrape(source, password="", to=HERE, seconds=25):
    """Whoever is to be let in gets time for it on a loaded machine; whom the filter drops waits in vain."""
    inside = () if source == "127.0.0.1" else ("ip", "netns", "exec", "other")
    return run(*inside, "python3", "-c", SCRAPE, source, to, password, str(seconds)).strip()


def answers():
    # 2 says that something is missing, such as the interface; 69 that nobody answers.
    return subprocess.run(["blindmeter", "status"], capture_output=True, timeout=30).returncode in (0, 2)


def ask(query):
    """What the Prometheus of the other host answers."""
    program = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:9090/api/v1/query?query={query}').read().decode())"
    done = subprocess.run(["ip", "netns", "exec", "other", "python3", "-c", program], capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)["data"]["result"] if done.returncode == 0 else []


def check():
    done = subprocess.run(["blindmeter", "check"], capture_output=True, text=True, timeout=60)
    return "the unit lets this host alone reach the daemon" in done.stdout + done.stderr


def main():
    result = {}
    run("ip", "link", "set", "lo", "up")
    run("ip", "netns", "add", "other")
    run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", "other")
    run("ip", "address", "add", f"{HERE}/24", "dev", "near")
    run("ip", "link", "set", "near", "up")
    for address in (PROMETHEUS, STRANGER):
        run("ip", "-n", "other", "address", "add", f"{address}/24", "dev", "far")
    for device in ("lo", "far"):
        run("ip", "-n", "other", "link", "set", device, "up")

    # The listener, TLS and the log-in are there already; the unit is the delivered one.
    run("systemctl", "start", "blindmeter")
    wait("the daemon", answers)
    result["local"] = [scrape("127.0.0.1", PASSWORD, "127.0.0.1"), scrape("127.0.0.1", "", "127.0.0.1")]
    result["before"] = [scrape(PROMETHEUS, PASSWORD, seconds=4), check()]

    os.makedirs(os.path.dirname(DROP_IN))
    shutil.copy("/remote-prometheus.conf", DROP_IN)
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "blindmeter")
    wait("the daemon after the restart", answers)
    result["after"] = [scrape(PROMETHEUS, PASSWORD), check()]
    result["without_log_in"] = scrape(PROMETHEUS)
    result["wrong_log_in"] = scrape(PROMETHEUS, "wrong")
    result["stranger"] = scrape(STRANGER, PASSWORD, seconds=4)

    prometheus = subprocess.Popen(
        ["ip", "netns", "exec", "other", "/usr/bin/prometheus", "--log.level=error", "--config.file=/prometheus.yml",
         "--storage.tsdb.path=/tmp/tsdb", "--web.listen-address=127.0.0.1:9090"])
    try:
        up = wait("a scrape", lambda: [each for each in ask("up") if each["value"][1] == "1"])
        result["prometheus"] = [len(up), up[0]["metric"]["instance"], len(ask("blindmeter_build_info"))]
    finally:
        prometheus.kill()
        prometheus.wait()
    return result


report(main)
