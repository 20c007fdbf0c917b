#!/usr/bin/env bash
# Shows token_auth at work on a scratch cluster (examples/tour.sql), which keeps running. `demo.sh stop` removes it.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$root/scripts/cluster.sh"
demo=$target/demo

if [[ ${1:-} == stop ]]; then
    [[ -L $demo/run ]] || { echo "No demo cluster is there." && exit; }
    use_postgres
    stop_cluster "$demo"
    echo "The demo cluster is stopped and removed."
    exit
fi

"$root/scripts/install.sh"
use_postgres
mkdir -p "$logs"
say "Starting a scratch cluster in $demo"
stop_cluster "$demo"
start_cluster "$demo" "shared_preload_libraries = 'token_auth'" "token_auth.sweep_interval = '1s'"

psql=("$pg_bin/psql" --no-psqlrc --quiet)
"${psql[@]}" --dbname=postgres --command='CREATE DATABASE demo'

# psql echoes the tour as it reads it, with its comments. psql's own commands are left out.
bold='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say "A tour of it (examples/tour.sql)"
status=0
stdbuf -oL "${psql[@]}" --dbname=demo --echo-all <examples/tour.sql 2>&1 |
    sed -uE -e '/^\\/d' -e 's/^NOTICE:  //' -e "s/^--( .*)?\$/$bold&$plain/" || status=$?

if ((status == 0)); then
    printf '\nWhat the worker wrote into the server log meanwhile:\n\n'
    grep 'token_auth: removed' "$cluster_log" | sed 's/^/    /' || true
fi
cat <<END

The cluster keeps running. Open psql on it:

    $pg_bin/psql -h $(readlink "$demo/run") -U postgres demo

Its log:             $cluster_log
Stop and remove it:  make demo-stop
END
((status == 0)) || fail "the tour stopped at an error (above)."
