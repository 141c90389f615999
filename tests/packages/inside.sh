# shellcheck shell=sh disable=SC2016,SC2034,SC2329
# Runs what a package does on a host, in mounts of its own: files below /etc, the devices, the program of these tests,
# and a systemd that writes down what it is asked for. Called by tests/packages.rs with a case; changes nothing outside.
# $1 is the repository, $2 the program, $3 a temporary folder, $4 the commands to run.
set -eu
repository=$1 program=$2 work=$3
mount --make-rprivate /
mount -t tmpfs tmpfs "$work"
mkdir -p "$work/above" "$work/aside" "$work/net" "$work/bin"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$work/above,workdir=$work/aside" /etc
mount -t tmpfs tmpfs /run
mount --bind "$work/net" /sys/class/net
mkdir -p /run/systemd/system /etc/systemd/system
rm -rf /etc/blindmeter
cp "$repository/deploy/blindmeter.service" "$repository/deploy/blindmeter@.service" /etc/systemd/system/
# No daemon runs here: what its state would be is the case's.
printf '#!/bin/sh\n[ "$1" != status ] || exit "${STATE:-0}"\nexec %s "$@"\n' "$program" > "$work/bin/blindmeter"
cat > "$work/bin/systemctl" <<'STUB'
#!/bin/sh
echo "systemctl $*" >> "$ASKED"
case $* in
*list-units*) [ ! -e "$RUNNING" ] || sed 's/$/ loaded active running/' "$RUNNING" ;;
*is-active*) [ -e "$RUNNING" ] ;;
*is-enabled*) [ -e /etc/enabled ] ;;
*enable*) touch /etc/enabled ;;
start*) echo blindmeter.service > "$RUNNING" ;;
esac
STUB
cat > "$work/bin/deb-systemd-invoke" <<'STUB'
#!/bin/sh
exec systemctl "$@"
STUB
printf '#!/bin/sh\nexec /usr/bin/systemd-sysusers %s\n' "$repository/deploy/blindmeter.sysusers" > "$work/bin/systemd-sysusers"
printf '#!/bin/sh\nexec /usr/bin/systemd-tmpfiles --create %s\n' "$repository/deploy/blindmeter.tmpfiles" > "$work/bin/systemd-tmpfiles"
chmod +x "$work"/bin/*
export ASKED="$work/asked" RUNNING="$work/running" PATH="$work/bin:$PATH"
: > "$ASKED"
maintain=$repository/deploy/package/maintain
device() {
    mkdir -p "/sys/class/net/$1"
    printf 'DEVTYPE=%s\nINTERFACE=%s\n' "$2" "$1" > "/sys/class/net/$1/uevent"
}
eval "$4"
