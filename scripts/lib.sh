# shellcheck shell=bash
# Functions that the other scripts share. It is sourced, never run.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit
HOME=${HOME:-~}
# runuser and ldconfig are there, even if PATH has only the directories for ordinary users.
PATH=$PATH:/usr/sbin:/sbin
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
logs=$target/log
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/token_auth
system_cache=/var/cache/token_auth
# Servers that were built or downloaded. The user postgres cannot reach root's home.
server_cache=$cache
if ((EUID == 0)); then server_cache=$system_cache; fi
# The root directories of other releases of Debian.
roots=$system_cache/roots
supported_majors=(18 17 16 15)
# The exit status of a test run that cannot be had on this machine.
skip_status=77

# psql and pg_regress translate their output, which the scripts read.
export LC_ALL=C.UTF-8

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
fail() {
    printf 'token_auth: %s\n' "$*" >&2
    exit 1
}

in_words() {
    if (($1 < 60)); then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}

# step TEXT LOG COMMAND...: runs a long command with its output in LOG. A function ends at the first command that fails: it is
# called outside of a condition, in which bash would go on to its next command.
step() {
    local text=$1 log=$2 began=$SECONDS ticker status options=$-
    shift 2
    mkdir -p "$(dirname "$log")"
    : >"$log"
    say "$text"
    # The ticker is the background job, not the command: background jobs ignore Ctrl-C.
    tick "$log" &
    ticker=$!
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1
    status=$?
    [[ $options != *e* ]] || set -e
    kill "$ticker" 2>/dev/null || true
    wait "$ticker" 2>/dev/null || true
    [[ ! -t 1 ]] || printf '\r\033[K'
    if ((status)); then
        tail -n 40 "$log" >&2
        printf 'token_auth: failed after %s; the whole log is %s\n' "$(in_words $((SECONDS - began)))" "$log" >&2
        return "$status"
    fi
    ((SECONDS - began < 3)) || note "done in $(in_words $((SECONDS - began)))"
}

tick() {
    local log=$1 began=$SECONDS seconds columns
    columns=$(tput cols 2>/dev/null || echo 80)
    while sleep 1 >/dev/null 2>&1 && kill -0 "$$" 2>/dev/null; do
        seconds=$((SECONDS - began))
        if [[ -t 1 ]]; then
            printf '\r\033[K    %.*s' "$((columns - 5))" "$(in_words "$seconds"): $(last_line "$log")"
        elif ((seconds % 30 == 0)); then
            note "$(in_words "$seconds"): $(last_line "$log")"
        fi
    done
}

last_line() { tail -n 1 "$1" | sed 's/\x1b\[[0-9;]*m//g; s/^ *//' | tr -cd '[:print:]'; }

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root, and there is no sudo here: $*"
    fi
}

# Waits for another run of apt, such as that of the system.
apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"; }

# read_package_lists WANTED: once in a run. WANTED is what an error says is missing.
read_package_lists() {
    [[ -z ${lists_are_read:-} ]] || return 0
    command -v apt-get >/dev/null ||
        fail "missing here: $1. There is no apt-get on this system: install this by its own means, then run make again."
    ((EUID == 0)) || command -v sudo >/dev/null ||
        fail "missing here: $1. Installing it needs root or sudo; ask your administrator, then run make again."
    # sudo asks for its password, if it needs one, before the progress line.
    as_root true
    step "Reading the package lists" "$logs/apt-update.log" apt_get update
    lists_are_read=yes
}

# install_packages PACKAGE...: installs packages of Debian.
install_packages() {
    read_package_lists "$*"
    step "Installing $* (a minute or two)" "$logs/apt-install.log" apt_get install -y --no-install-recommends "$@"
}

# PostgreSQL refuses to run as root. The working directory is changed first: the server's user may not be able to enter it.
as_server_user() {
    if ((EUID == 0)); then
        (cd / && exec runuser -u postgres -- "$@")
    else
        (cd / && exec "$@")
    fi
}

need_cargo() {
    local wanted have
    # A shell that has not read rustup's profile lines yet.
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "cargo was not found. Install Rust (https://rustup.rs)${SUDO_USER:+, or run make without sudo: it asks for root where it needs it}."
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    have=$(rustc --version | cut -d' ' -f2)
    printf '%s\n' "$wanted" "$have" | sort -V -C ||
        fail "Rust $wanted or newer is needed, this is $have. With rustup: rustup update stable"
    need_target
}

need_target() {
    mkdir -p "$target" 2>/dev/null || true
    [[ -w $target ]] ||
        fail "$(id -un) may not write to $target. Remove it if another user built there, or set CARGO_TARGET_DIR."
}

# hold FILE: one run at a time from here to the end of the script.
hold() {
    exec 9>>"$1"
    flock --nonblock 9 || {
        note "Waiting for another run, which holds $1" >&2
        flock 9
    }
}

has_headers() { [[ -x $1 && -e $("$1" --includedir-server)/postgres.h ]]; }
has_server() { [[ -x $1 && -x $("$1" --bindir)/postgres && -x $("$1" --bindir)/initdb ]]; }
major_of() { "$1" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/'; }
is_supported() { [[ " ${supported_majors[*]} " == *" $1 "* ]]; }

debian_pg_config() { echo "/usr/lib/postgresql/$1/bin/pg_config"; }
this_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null || true; }

# Prints the release of Debian that ships a PostgreSQL.
release_of() {
    case $1 in
        15) echo bookworm ;;
        17) echo trixie ;;
        18) echo forky ;;
        *) return 1 ;;
    esac
}

# Prints the mirror that this machine gets its release from.
mirror() {
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk -v codename="$(this_release)" '$2 == codename && !found { found = $1 } END { print found }'
}

# Prints the pg_config to build for: that of PG_CONFIG, or otherwise the newest with headers.
find_pg_config() {
    local major candidate
    if [[ -n ${PG_CONFIG:-} ]]; then
        candidate=$(command -v -- "$PG_CONFIG") && realpath -s -- "$candidate"
        return
    fi
    for major in "${supported_majors[@]}"; do
        candidate=$(debian_pg_config "$major")
        if has_headers "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    candidate=$(command -v pg_config) && has_headers "$candidate" && echo "$candidate"
}

# Sets pg_config, pg_major, pg_feature and pg_bin, or fails and says what is missing.
use_postgres() {
    pg_config=$(find_pg_config) ||
        fail "no PostgreSQL with server headers was found${PG_CONFIG:+ by PG_CONFIG=$PG_CONFIG}; make setup installs one."
    pg_major=$(major_of "$pg_config")
    is_supported "$pg_major" || fail "$pg_config is of PostgreSQL $pg_major; token_auth builds for 15 to 18."
    pg_feature=pg$pg_major
    pg_bin=$("$pg_config" --bindir)
    # With the path of pg_config, pgrx needs no home: the user's ~/.pgrx is neither read nor written.
    export PG_CONFIG=$pg_config PGRX_PG_CONFIG_PATH=$pg_config PGRX_HOME=$target/no-pgrx-home
}
