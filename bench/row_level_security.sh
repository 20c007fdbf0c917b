#!/usr/bin/env bash
# Measures the cost of policies (row_level_security.sql) on a scratch cluster, which it removes.
#   REPEATS=11 bench/row_level_security.sh
set -euo pipefail
. "$(dirname "$0")/../scripts/lib.sh"
. "$root/scripts/cluster.sh"
scratch=$target/bench

main() {
    "$root/scripts/install.sh"
    use_postgres
    mkdir -p "$logs"
    stop_cluster "$scratch"
    start_cluster "$scratch" "shared_preload_libraries = 'token_auth'" "shared_buffers = '1GB'" "max_wal_size = '4GB'"
    psql=("$pg_bin/psql" --no-psqlrc --quiet)
    "${psql[@]}" --dbname=postgres --command='CREATE DATABASE bench'
    say "Policies and the same conditions by hand (${REPEATS:=11} interleaved repeats, medians)"
    "${psql[@]}" --dbname=bench --set=repeats="$REPEATS" --file="$root/bench/row_level_security.sql"
}

trap 'stop_cluster "$scratch"' EXIT
main
