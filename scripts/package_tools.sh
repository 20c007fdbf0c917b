#!/usr/bin/env bash
# Gets the programs that the suite `packages` compares our files with: cargo-pgrx of the version of pgrx, and PGXN's validator.
# Prints their paths. They are built once, in the user's cache directory; the user's own ones are not changed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
pgrx_version=$(sed -n 's/^pgrx = .*"=\([0-9.]*\)".*/\1/p' Cargo.toml)
own=$cache/cargo-pgrx-$pgrx_version
validator_version=0.7.0
validator=$cache/pgxn_meta-$validator_version

main() {
    need_cargo
    mkdir -p "$logs"
    if ! find_cargo_pgrx >/dev/null; then
        install_headers >&2
        step "Building cargo-pgrx $pgrx_version into $own (about 5 minutes, once)" "$logs/cargo-pgrx.log" \
            cargo install cargo-pgrx --version "$pgrx_version" --locked --root "$own" >&2
    fi
    find_cargo_pgrx
    [[ -x $validator/bin/pgxn_meta ]] ||
        step "Building PGXN's validator into $validator (a minute, once)" "$logs/pgxn_meta.log" \
            cargo install pgxn_meta --version "$validator_version" --locked --root "$validator" >&2
    echo "$validator/bin/pgxn_meta"
}

# pgrx accepts no other version.
find_cargo_pgrx() {
    local candidate
    for candidate in "$(command -v cargo-pgrx || true)" "${CARGO_HOME:-$HOME/.cargo}/bin/cargo-pgrx" "$own/bin/cargo-pgrx"; do
        if [[ -x $candidate && $("$candidate" pgrx --version 2>/dev/null) == "cargo-pgrx $pgrx_version" ]]; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# cargo-pgrx links OpenSSL; token_auth does not.
install_headers() {
    local missing=()
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    pkg-config --exists openssl 2>/dev/null || missing+=(libssl-dev)
    ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
}

main
