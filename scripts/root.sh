#!/usr/bin/env bash
# Runs a command of this checkout in a root directory with another release of Debian, and so with another PostgreSQL.
#   root.sh MAJOR COMMAND...          in the release that ships PostgreSQL MAJOR
#   root.sh --bare MAJOR COMMAND...   in a new root directory of that release, which is removed afterwards
# The root directory is made once, below /var/cache/token_auth, and the packages that are installed into it stay there. The
# checkout is mounted read-only, with Rust and the downloaded crates of this machine; what is built stays in the root directory.
# The command sees only its own processes, and all of them end with it. Needs root or sudo.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
roots=/var/cache/token_auth/roots

main() {
    local major release bare=''
    new=''
    case $1 in
        --inside | --debootstrap)
            "${1#--}" "${@:2}"
            return
            ;;
    esac
    if [[ $1 == --bare ]]; then
        bare=yes
        shift
    fi
    major=$1
    shift
    release=$(release_of "$major") || fail "no release of Debian ships PostgreSQL $major."
    if ! command -v apt-get >/dev/null || { ((EUID != 0)) && ! command -v sudo >/dev/null; }; then
        echo "PostgreSQL $major is tested in a root directory of Debian's $release, which needs apt-get, and root or sudo."
        exit "$skip_status"
    fi
    need_cargo
    mkdir -p "$logs"
    cargo fetch --locked --quiet
    # One run at a time: two would install packages, and build, in the same directory.
    as_root mkdir -p "$roots"
    as_root touch "$roots/$release.lock"
    make_root "$release"
    new=$roots/$release
    if [[ -n $bare ]]; then
        new=$(as_root mktemp -d "$roots/bare.XXXXXX")
        trap remove_new EXIT
        as_root tar --extract --file "$roots/$release.tar" --directory "$new"
        as_root chmod 755 "$new"
        if [[ -d $target/deb ]]; then as_root cp -r "$target/deb" "$new/deb"; fi
    fi
    # sudo keeps no environment; what the command needs of it is passed on.
    as_root flock --no-fork "$([[ -n $bare ]] && echo "$new" || echo "$roots/$release.lock")" unshare --mount --pid --fork --kill-child "$root/scripts/root.sh" --inside "$new" \
        "$(rustc --print sysroot)" "${CARGO_HOME:-$HOME/.cargo}/registry" \
        "SUITE=${SUITE:-}" "TESTS=${TESTS:-}" "PG_CONFIG=$(debian_pg_config "$major")" "$@"
}

remove_new() { as_root rm -rf --one-file-system "$new"; }

make_root() {
    local release=$1
    [[ ! -e $roots/$release.tar || ! -d $roots/$release ]] || return 0
    command -v debootstrap >/dev/null || install_packages debootstrap
    step "Getting Debian's $release (a minute)" "$logs/debootstrap.log" \
        as_root flock "$roots/$release.lock" "$root/scripts/root.sh" --debootstrap "$release"
}

# Bare: what the project needs there, its own scripts install. The archive is there only when all is done.
debootstrap() {
    local release=$1 script=$1 archive=$roots/$1.tar
    [[ ! -e $archive || ! -d $roots/$release ]] || return 0
    # It knows the releases of its own time.
    [[ -e /usr/share/debootstrap/scripts/$script ]] || script=sid
    rm -rf --one-file-system "${roots:?}/$release"
    command debootstrap --variant=minbase "$release" "$roots/$release" "$(mirror)" "/usr/share/debootstrap/scripts/$script"
    tar --create --one-file-system --file "$archive.unfinished" --directory "$roots/$release" .
    mv "$archive.unfinished" "$archive"
}

# Prints the mirror that this machine gets Debian from. Without one debootstrap takes its own.
mirror() {
    if grep -qs '^ID=debian' /etc/os-release; then
        apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
            awk -v codename="$(this_release)" '$2 == codename { print $1; exit }'
    fi
}

# inside ROOT SYSROOT REGISTRY VARIABLE=VALUE... COMMAND...: in namespaces of its own, as root.
inside() {
    local new=$1 sysroot=$2 registry=$3
    shift 3
    mount --make-rprivate /
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
    mount -t proc proc "$new/proc"
    mount --rbind /dev "$new/dev"
    mount -t tmpfs tmpfs "$new/dev/shm"
    cp /etc/resolv.conf /etc/hosts "$new/etc/"
    # The lists of testing expire after a week, also on mirrors that are updated seldom.
    echo 'Acquire::Check-Valid-Until "false";' >"$new/etc/apt/apt.conf.d/90token_auth"
    # A server must not be started by the installation of a package.
    printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"
    chmod +x "$new/usr/sbin/policy-rc.d"
    cd "$new"
    exec chroot "$new" /usr/bin/env -i HOME=/root LANG=C.UTF-8 CARGO_HOME=/cargo CARGO_NET_OFFLINE=true CARGO_TARGET_DIR=/build IN_ROOT=yes \
        PATH=/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "${@:1:3}" /bin/sh -c 'cd /src && exec "$@"' sh "${@:4}"
}

main "$@"
