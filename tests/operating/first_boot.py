"""Does what cloud-init does with a file of user data: writes the files, then runs the commands.

Usage: first_boot.py FILE; knows write_files and runcmd, and refuses anything else.
"""

import os
import shutil
import subprocess
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
assert text.startswith("#cloud-config\n"), "user data says what it is"
data = yaml.safe_load(text)
assert set(data) == {"write_files", "runcmd"}, data.keys()
for entry in data["write_files"]:
    assert set(entry) == {"path", "owner", "permissions", "content"}, entry.keys()
    os.makedirs(os.path.dirname(entry["path"]), exist_ok=True)
    with open(entry["path"], "w", encoding="utf-8") as file:
        file.write(entry["content"])
    os.chmod(entry["path"], int(entry["permissions"], 8))
    shutil.chown(entry["path"], *entry["owner"].split(":"))
for command in data["runcmd"]:
    subprocess.run(command, check=True)
