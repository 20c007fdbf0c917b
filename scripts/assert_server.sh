#!/usr/bin/env bash
# Builds a PostgreSQL with assertions from Debian's source package, for the suite `assertions`, and prints its pg_config.
# It is built once, in the user's cache directory, or for root below /var/cache/token_auth. Only the tools for the build are
# installed into the system, and the machine's package sources are not changed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
use_postgres
server=$server_cache/postgresql-$pg_major-assert
work=$target/assert-server

main() {
    if [[ $(release_of "$pg_major") != "$(this_release)" ]]; then
        echo "The source of PostgreSQL $pg_major is not in this release." >&2
        exit "$skip_status"
    fi
    mkdir -p "$logs" "$server_cache"
    hold "$server.lock"
    if [[ ! -x $server/bin/pg_config ]]; then
        install_tools >&2
        step "Getting the source of PostgreSQL $pg_major" "$logs/assert-source.log" get_source >&2
        step "Building it with assertions (about 3 minutes)" "$logs/assert-build.log" build >&2
        rm -rf "$work"
    fi
    echo "$server/bin/pg_config"
}

install_tools() {
    local missing=() program
    for program in bison flex bzip2 make gcc perl; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

# With package lists of its own, from the archive of the machine's release.
get_source() {
    local archive apt
    archive=$(mirror)
    [[ -n $archive ]] || fail "no archive of $(this_release) is among the package sources."
    rm -rf "$work"
    mkdir -p "$work"/{lists/partial,archives/partial,source}
    echo "deb-src $archive $(this_release) main" >"$work/sources.list"
    apt=(apt-get -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/archives" -o "Dir::Cache::archives=$work/archives"
        -o APT::Sandbox::User=)
    "${apt[@]}" update
    (cd "$work" && "${apt[@]}" source --download-only "postgresql-$pg_major")
    tar --extract --file "$work"/postgresql-"$pg_major"_*.orig.tar.* --directory "$work/source" --strip-components=1
}

# The directory is there only when all is in it.
build() {
    local made=$work/installed
    cd "$work/source"
    ./configure --prefix="$server" --enable-cassert --enable-debug --without-icu --without-readline --without-zlib \
        CFLAGS='-O1 -g'
    make --jobs="$(nproc)" --silent MAKELEVEL=0
    make --silent install MAKELEVEL=0 DESTDIR="$made"
    make --silent --directory=src/test/regress install MAKELEVEL=0 DESTDIR="$made"
    make --silent --directory=src/test/isolation install MAKELEVEL=0 DESTDIR="$made"
    chmod -R a+rX "$made"
    rm -rf "$server" "$server.unfinished"
    mv -T "$made$server" "$server.unfinished"
    mv -T "$server.unfinished" "$server"
}

main
