#!/usr/bin/env bash
# Gets what only the tests need, which is pgbouncer, unless it is there. Nothing is installed: a package would start
# a service and leave configuration in /etc. Its files are unpacked in the target directory.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

tools=$target/tools
pgbouncer=$tools/pgbouncer
files=$tools/pgbouncer.files

main() {
    if command -v pgbouncer >/dev/null || runs; then return; fi
    # The tests that need it fail and say what to do. The others can run.
    if ! command -v apt-get >/dev/null; then
        note "There is no pgbouncer here, and no apt-get to get it with."
        return
    fi
    need_target
    mkdir -p "$logs"
    say "Getting pgbouncer for the tests"
    unpack pgbouncer >"$logs/pgbouncer.log" 2>&1 || read_lists_and_unpack || return 0
    write_program
    runs || note "pgbouncer does not run here: $("$pgbouncer" --version 2>&1 | head -n 1)"
}

runs() { "$pgbouncer" --version >/dev/null 2>&1; }

# For package lists that are missing or out of date. Only this needs root.
read_lists_and_unpack() {
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        note "Reading the package lists needs root or sudo; what failed is in $logs/pgbouncer.log."
        return 1
    fi
    # sudo asks for its password, if it needs one, before the progress line.
    as_root true
    step "Reading the package lists" "$logs/apt-update.log" as_root apt-get -o DPkg::Lock::Timeout=300 update &&
        step "Getting pgbouncer once more" "$logs/pgbouncer.log" unpack pgbouncer
}

# unpack PACKAGE...: unpacks packages and their libraries that are not installed.
unpack() {
    local package archives=$tools/archives libraries
    mkdir -p "$archives" "$files"
    for package in "$@"; do
        rm -f "$archives/$package"_*.deb
        (cd "$archives" && apt-get download "$package") || return
        dpkg-deb --extract "$archives/$package"_*.deb "$files" || return
        read -ra libraries < <(missing_libraries "$archives/$package"_*.deb) || true
        unpack "${libraries[@]}" || return
    done
}

missing_libraries() {
    local package
    while read -r package; do
        [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            printf '%s ' "$package"
    done < <(dpkg-deb --field "$1" Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ :|]*\).*/\1/p')
}

write_program() {
    local directories
    directories=$(find "$files" -name 'lib*.so.*' -printf '%h\n' | sort -u | paste -sd :)
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$directories" "$files/usr/sbin/pgbouncer" >"$pgbouncer"
    chmod +x "$pgbouncer"
}

main
