#!/bin/bash
# Brings the real servers that the tests run against. Starts none of them, and does nothing for what is there.
#   install.sh            bring what is missing
#   install.sh --list     print "program package" of everything that comes from Debian
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

PARTS="dockerd docker.io
busybox busybox-static
docker-registry docker-registry
prometheus prometheus
prometheus-alertmanager prometheus-alertmanager
tmux tmux
sshd openssh-server
haproxy haproxy"
POLICY=/usr/sbin/policy-rc.d

say() { printf '%s\n' "$*" >&2; }

has() {
    local path
    path=$(command -v "$1") || return 1
    # An image made of a dynamically linked busybox holds no libraries and cannot start.
    if [ "$1" = busybox ] && ldd "$path" >/dev/null 2>&1; then return 1; fi
}

missing_packages() {
    local program package
    while read -r program package; do
        has "$program" || printf '%s\n' "$package"
    done <<<"$PARTS"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

ask_for_sudo() {
    [ "$(id -u)" != 0 ] || return 0
    if ! command -v sudo >/dev/null; then
        say "make real: these Debian packages are missing: $*"
        say "  run as root: apt-get install --no-install-recommends $*"
        exit 1
    fi
    if [ ! -t 0 ]; then
        say "make real: these Debian packages are missing: $*"
        say "  not root, and no terminal to ask for sudo on; run: sudo apt-get install --no-install-recommends $*"
        exit 1
    fi
    local answer
    read -r -p "make real needs sudo for: apt-get install $*. Go on? [y/N] " answer
    case "$answer" in [yY]|[yY][eE][sS]) ;; *) say "make real: nothing was installed"; exit 1 ;; esac
}

remove_policy() { as_root rm -f "$POLICY"; }

apt_install() {
    as_root apt-get update -qq </dev/null >&2 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
}

install_packages() {
    local status=0
    ask_for_sudo "$@"
    say "installing $* ..."
    if [ -e "$POLICY" ]; then
        apt_install "$@" || status=$?
    else
        # Debian starts a daemon when it is installed, unless policy-rc.d denies it.
        trap remove_policy EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
        as_root chmod 755 "$POLICY"
        apt_install "$@" || status=$?
        trap - EXIT
        remove_policy
    fi
    if [ "$status" != 0 ]; then say "make real: apt-get could not install $* (see above)"; fi
    return "$status"
}

programs() {
    local wanted
    mapfile -t wanted < <(missing_packages)
    [ "${#wanted[@]}" != 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        say "make real: not a Debian system. Bring these with your own package manager (Debian's names): ${wanted[*]}"
        say "  the programs that must be on PATH:"
        printf '%s\n' "$PARTS" | while read -r program _; do has "$program" || say "    $program"; done
        return 1
    fi
    install_packages "${wanted[@]}"
}

# python_server NAME PROGRAM SIZE: what tests/real/NAME.lock names, in an environment of its own.
python_server() {
    local home=.real/$1 lock=tests/real/$1.lock program=$2 size=$3 python=.venv/bin/python stamp wanted
    [ -x "$python" ] || python=${PYTHON:-python3}
    stamp=$home/.installed
    wanted=$("$python" -VV; sha256sum <"$lock")
    if [ -x "$home/bin/$program" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return 0; fi
    say "installing $1 into $home (about $size MB) ..."
    rm -rf "$home"
    mkdir -p "$(dirname "$home")"
    "$python" -m venv "$home"
    # uv reads no pip configuration (index, certificates): where it cannot install, pip may.
    if ! { [ -x .venv/bin/uv ] && .venv/bin/uv pip install -q --python "$home/bin/python" \
        --compile-bytecode --require-hashes -r "$lock"; }; then
        "$home/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock"
    fi
    printf '%s\n' "$wanted" >"$stamp"
}

if [ "${1:-}" = --list ]; then
    printf '%s\n' "$PARTS"
    exit 0
fi
failed=0
programs || failed=$?
python_server mlflow mlflow 850
python_server buildbot twistd 150
[ "$failed" = 0 ] || exit "$failed"
say "the real parts are here; none was started"
