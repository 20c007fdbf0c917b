# shellcheck shell=bash
# Scratch clusters: each has a directory, and listens on a Unix socket only. Sourced after lib.sh.

# start_cluster DIR SETTING...: sets cluster_data and cluster_log, and points psql there.
# The socket is below /tmp, because a socket's path is limited to about 100 bytes; DIR/run points there.
start_cluster() {
    local dir=$1 run
    shift
    mkdir -p "$dir/data"
    run=$(mktemp -d /tmp/token_auth.XXXXXX)
    ln -sfn "$run" "$dir/run"
    cluster_data=$dir/data
    if ((EUID == 0)); then
        id postgres >/dev/null 2>&1 || fail "PostgreSQL does not run as root, and there is no user postgres to run it as."
        chown postgres: "$cluster_data" "$run"
    fi
    if ! as_server_user test -w "$cluster_data" 2>/dev/null; then
        note "The user postgres cannot reach $dir; the cluster's files are in $run."
        cluster_data=$run/data
    fi
    cluster_log=$cluster_data/server.log
    export PGHOST=$run PGPORT=5432 PGUSER=postgres
    unset PGDATABASE PGOPTIONS PGSERVICE PGHOSTADDR

    as_server_user "$pg_bin/initdb" --pgdata="$cluster_data" --encoding=UTF8 --no-locale --auth=trust \
        --username=postgres --no-sync >"$logs/initdb.log" 2>&1 || {
        tail -n 20 "$logs/initdb.log" >&2
        fail "initdb failed."
    }
    printf '%s\n' "$@" "listen_addresses = ''" "port = 5432" "unix_socket_directories = '$run'" |
        as_server_user tee -a "$cluster_data/postgresql.conf" >/dev/null
    as_server_user "$pg_bin/pg_ctl" -D "$cluster_data" -l "$cluster_log" --silent --wait start >/dev/null || {
        tail -n 20 "$cluster_log" >&2
        fail "PostgreSQL did not start."
    }
}

# stop_cluster DIR: stops what runs there and removes it.
stop_cluster() {
    local dir=$1 run data pid
    run=$(readlink "$dir/run") || return 0
    for data in "$dir/data" "$run/data"; do
        pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || continue
        # A file from before a crash may name a process that is now another one.
        [[ $(readlink "/proc/$pid/cwd") == "$data" ]] || continue
        as_server_user "$pg_bin/pg_ctl" -D "$data" --silent --mode=fast stop ||
            as_server_user "$pg_bin/pg_ctl" -D "$data" --silent --mode=immediate stop
    done
    rm -rf "$dir" "$run"
}
