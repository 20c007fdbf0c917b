#!/usr/bin/env bash
# Builds the extension for the server of $PG_CONFIG. Its files are then below target/package/pgNN, each under its path on the system.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
"$root/scripts/setup.sh"
need_cargo
use_postgres
package=$target/package/$pg_feature
first=$([[ -e $target/release/libtoken_auth.so ]] || echo ' (about a minute the first time)')

main() {
    local extension
    extension=$package$("$pg_config" --sharedir)/extension
    step "Building token_auth for PostgreSQL $pg_major$first" "$logs/build.log" \
        cargo build --locked --release --lib --no-default-features --features "$pg_feature"
    rm -rf "$package"
    install -D -m 755 "$target/release/libtoken_auth.so" "$package$("$pg_config" --pkglibdir)/token_auth.so"
    mkdir -p "$extension"
    sed "s/@CARGO_VERSION@/$version/" token_auth.control >"$extension/token_auth.control"
    install_script >"$extension/token_auth--$version.sql"
}

# Prints the SQL files in the order in which src/install/schema.rs names them. cargo-pgrx makes the same script.
install_script() {
    local file
    while read -r file; do
        printf -- '-- %s\n' "$file"
        cat "$file"
        printf '\n'
    done < <(sed -n 's|.*"\.\./\.\./\(sql/.*\.sql\)".*|\1|p' src/install/schema.rs)
}

main
