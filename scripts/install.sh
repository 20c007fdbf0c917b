#!/usr/bin/env bash
# Builds the extension and installs it for the server of $PG_CONFIG.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
"$root/scripts/setup.sh"
use_postgres

# Reported before the first build.
for directory in "$("$pg_config" --pkglibdir)" "$("$pg_config" --sharedir)/extension"; do
    [[ -w $directory || -e $directory/token_auth.so || -e $directory/token_auth.control ]] || command -v sudo >/dev/null ||
        fail "$(id -un) may not write to $directory, and there is no sudo here. Set PG_CONFIG to a PostgreSQL of your own."
done

# Built into a tree of its own, then copied: only the copying needs root, and `install` replaces a library that a running
# server has mapped, where cp (which `cargo pgrx install --sudo` uses) would write into it.
"$root/scripts/build.sh"
package=$target/package/$pg_feature

copied=0
while read -r file; do
    if cmp -s "$package/$file" "/$file"; then continue; fi
    if [[ -w $(dirname "/$file") ]]; then
        install -D -m 644 "$package/$file" "/$file"
    else
        as_root install -D -m 644 "$package/$file" "/$file"
    fi
    copied=$((copied + 1))
done < <(cd "$package" && find . -type f -printf '%P\n')
((copied == 0)) || note "installed into $("$pg_config" --pkglibdir) and $("$pg_config" --sharedir)/extension"
