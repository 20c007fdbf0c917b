#!/usr/bin/env bash
# Runs a command of this checkout in a root directory with another release of Debian, and so with another PostgreSQL.
#   root.sh MAJOR COMMAND...          in the release that ships PostgreSQL MAJOR
#   root.sh --bare MAJOR COMMAND...   in a new root directory of that release, which is removed afterwards
# The root directory is made once, below /var/cache/token_auth, and the packages that are installed into it stay there. The
# checkout is mounted read-only, with Rust and the downloaded crates of this machine; what is built stays in the root directory.
# The command sees only its own processes, and all of them end with it, as do all mounts. Needs root or sudo.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

main() {
    local major release bare='' lock variables name
    case $1 in
        --inside | --debootstrap)
            "${1#--}" "${@:2}"
            return
            ;;
        --bare)
            bare=yes
            shift
            ;;
    esac
    major=$1
    shift
    release=$(release_of "$major") || fail "no release of Debian ships PostgreSQL $major."
    if ! can_have_roots; then
        echo "PostgreSQL $major is tested in a root directory of Debian's $release, which needs apt-get, root or sudo, and the right to mount."
        exit "$skip_status"
    fi
    need_cargo
    mkdir -p "$logs"
    cargo fetch --locked --quiet
    new=$roots/$release
    lock=$roots/$release.lock
    as_root mkdir -p "$roots"
    as_root touch "$lock"
    make_root "$release"
    if [[ -n $bare ]]; then
        # A run that was killed removes nothing. None takes a day.
        as_root find "$roots" -maxdepth 1 -name 'bare.*' -cmin +1440 -exec rm -rf --one-file-system {} +
        new=$(as_root mktemp -d "$roots/bare.XXXXXX")
        lock=$new
        trap remove_new EXIT
        # With a trap, the shell waits for the command: the directory is not removed below one that runs.
        trap 'exit 130' INT TERM
        as_root tar --extract --file "$roots/$release.tar" --directory "$new"
        as_root chmod 755 "$new"
        if [[ -d $target/deb ]]; then as_root cp -r "$target/deb" "$new/deb"; fi
    fi
    # sudo keeps no environment; what the command needs of it is passed on.
    variables=("PG_CONFIG=$(debian_pg_config "$major")")
    for name in SUITE TESTS DEBFULLNAME DEBEMAIL SOURCE_DATE_EPOCH http_proxy https_proxy no_proxy; do
        if [[ -n ${!name:-} ]]; then variables+=("$name=${!name}"); fi
    done
    # One run at a time: two would install packages, and build, in the same directory.
    as_root flock --nonblock "$lock" true || note "Waiting for another run in $new"
    as_root flock --no-fork "$lock" unshare --mount --pid --fork --kill-child "$root/scripts/root.sh" --inside "$new" \
        "$(rustc --print sysroot)" "${CARGO_HOME:-$HOME/.cargo}/registry" "${variables[@]}" "$@"
}

# A container may forget what root may do elsewhere.
can_have_roots() {
    command -v apt-get >/dev/null && { ((EUID == 0)) || command -v sudo >/dev/null; } &&
        as_root unshare --mount --pid --fork mount --make-rprivate / 2>/dev/null
}

remove_new() { as_root rm -rf --one-file-system "$new"; }

make_root() {
    local release=$1
    [[ ! -e $roots/$release.tar || ! -d $roots/$release ]] || return 0
    # A function of this script has the same name.
    type -P debootstrap >/dev/null || install_packages debootstrap
    # Its mounts end with it, even if it is killed.
    step "Getting Debian's $release (a minute)" "$logs/debootstrap.log" \
        as_root flock --no-fork "$roots/$release.lock" unshare --mount "$root/scripts/root.sh" --debootstrap "$release"
}

# Bare: what the project needs there, its own scripts install. The archive is there only when all is done.
debootstrap() {
    local release=$1 script=$1 archive=$roots/$1.tar
    [[ ! -e $archive || ! -d $roots/$release ]] || return 0
    # A directory that was mounted from the same file system would be emptied, too.
    ! grep -q " $roots/$release/" /proc/self/mountinfo || fail "something is mounted below $roots/$release: umount it."
    # It knows the releases of its own time.
    [[ -e /usr/share/debootstrap/scripts/$script ]] || script=sid
    rm -rf --one-file-system "${roots:?}/$release" "$archive.unfinished"
    command debootstrap --variant=minbase "$release" "$roots/$release" "$(debian_mirror)" "/usr/share/debootstrap/scripts/$script"
    tar --create --one-file-system --file "$archive.unfinished" --directory "$roots/$release" .
    mv "$archive.unfinished" "$archive"
}

# Prints the mirror that this machine gets Debian from. Without one debootstrap takes its own.
debian_mirror() {
    if grep -qs '^ID=debian' /etc/os-release; then mirror; fi
}

# inside ROOT SYSROOT REGISTRY VARIABLE=VALUE... COMMAND...: in namespaces of its own, as root.
inside() {
    local new=$1 sysroot=$2 registry=$3
    shift 3
    mount --make-rprivate /
    # An interrupted run leaves its clusters here; no other run is here now.
    rm -rf --one-file-system "$new"/tmp/token_auth.*
    mkdir -p "$new"/{src,build,rust,cargo/registry}
    # Cargo compares times: files of another checkout, older than what was built here, would count as built.
    if [[ $(cat "$new/build/checkout" 2>/dev/null) != "$root" ]]; then
        find "$new/build" -depth -type d -path '*/.fingerprint/token_auth*' -exec rm -r {} +
        echo "$root" >"$new/build/checkout"
    fi
    mount --bind "$root" "$new/src"
    mount -o remount,bind,ro "$new/src"
    mount --bind "$sysroot" "$new/rust"
    mount -o remount,bind,ro "$new/rust"
    mount --bind "$registry" "$new/cargo/registry"
    mount -o remount,bind,ro "$new/cargo/registry"
    mount -t proc proc "$new/proc"
    mount --rbind /dev "$new/dev"
    mount -t tmpfs tmpfs "$new/dev/shm"
    cp /etc/resolv.conf /etc/hosts "$new/etc/"
    # The lists of testing expire after a week, also on mirrors that are updated seldom.
    echo 'Acquire::Check-Valid-Until "false";' >"$new/etc/apt/apt.conf.d/90token_auth"
    # A server must not be started by the installation of a package.
    printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
    chmod +x "$new/usr/sbin/policy-rc.d"
    # This shell is the first process of its namespace, which no signal ends without a trap.
    trap 'exit 130' INT TERM
    cd "$new"
    chroot "$new" /usr/bin/env -i --chdir=/src HOME=/root LANG=C.UTF-8 CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=/build IN_ROOT=yes \
        PATH=/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "$@"
}

main "$@"
