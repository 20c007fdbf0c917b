#!/usr/bin/env bash
# Installs PostgreSQL 15, 17 and 18 beside each other, and token_auth for each of them, for the suite `upgrade`. This is for a root
# directory of Debian's testing (scripts/root.sh 18): earlier releases are added to its package sources, for what it does not have.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
servers=(15 17 18)

main() {
    local major missing=() release
    [[ -n ${IN_ROOT:-} ]] || fail "this is for a root directory: SUITE=upgrade make test."
    mkdir -p "$logs"
    for major in "${servers[@]}"; do
        release=$(release_of "$major")
        if [[ $release != "$(this_release)" && ! -e /etc/apt/sources.list.d/$release.list ]]; then
            printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n' "$release" >"/etc/apt/preferences.d/$release"
            sed "s/ $(this_release) / $release /" /etc/apt/sources.list >"/etc/apt/sources.list.d/$release.list"
        fi
        has_headers "$(debian_pg_config "$major")" || missing+=("postgresql-$major" "postgresql-server-dev-$major")
    done
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}" >&2
    for major in "${servers[@]}"; do
        # A build for another server begins again in the same directory.
        PG_CONFIG=$(debian_pg_config "$major") CARGO_TARGET_DIR=$target/pg$major "$root/scripts/install.sh" >&2
        debian_pg_config "$major"
    done
}

main
