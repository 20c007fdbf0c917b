#!/usr/bin/env bash
# Installs what the build needs and is missing: a PostgreSQL server with its headers, and clang.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Set while Debian is prevented from starting a cluster for a new server.
no_main_cluster=/etc/postgresql-common/createcluster.d/token_auth.conf

main() {
    local packages=() server=''
    need_cargo
    choose_postgres
    list_missing_packages
    if ((${#packages[@]})); then install_missing_packages; fi
    has_server "$(find_pg_config)" ||
        fail "${PG_CONFIG:-pg_config} has no server beside it (postgres, initdb). Set PG_CONFIG to one that has."
    use_postgres
}

# Sets server to the version number of the packages, or leaves it empty if PostgreSQL needs no installation.
choose_postgres() {
    local config major
    if config=$(find_pg_config) && has_headers "$config" && has_server "$config"; then return; fi
    if [[ -n ${PG_CONFIG:-} ]]; then
        [[ $PG_CONFIG =~ ^/usr/lib/postgresql/([0-9]+)/bin/pg_config$ ]] ||
            fail "PG_CONFIG=$PG_CONFIG is no pg_config of a PostgreSQL with server and server headers."
        server=${BASH_REMATCH[1]}
    elif [[ -n $config ]]; then
        server=$(major_of "$config")
    else
        for major in "${supported_majors[@]}"; do
            if [[ -x /usr/lib/postgresql/$major/bin/postgres ]]; then
                server=$major
                break
            fi
        done
    fi
    if [[ -z $server ]]; then
        read_package_lists "a PostgreSQL server (15 to 18) with its headers"
        server=$(apt-cache depends postgresql | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -n 1)
    fi
    is_supported "${server:-none}" ||
        fail "token_auth needs PostgreSQL 15 to 18, and here is ${server:-none}."
}

list_missing_packages() {
    if [[ -n $server ]]; then
        [[ -x /usr/lib/postgresql/$server/bin/postgres ]] || packages+=("postgresql-$server")
        has_headers "/usr/lib/postgresql/$server/bin/pg_config" || packages+=("postgresql-server-dev-$server")
    fi
    if ! command -v cc >/dev/null || ! command -v make >/dev/null; then packages+=(build-essential); fi
    command -v clang >/dev/null || packages+=(clang)
    has_libclang || packages+=(libclang-dev)
    # Cargo gets the crates over HTTPS.
    [[ -e /etc/ssl/certs/ca-certificates.crt || -n ${SSL_CERT_FILE:-} ]] || packages+=(ca-certificates)
}

has_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] ||
        compgen -G '/usr/lib/llvm-*/lib/libclang.so*' >/dev/null ||
        ldconfig -p | grep -q 'libclang[-0-9]*\.so'
}

install_missing_packages() {
    if [[ " ${packages[*]} " == *" postgresql-$server "* ]]; then
        as_root mkdir -p "$(dirname "$no_main_cluster")"
        echo 'create_main_cluster = false' | as_root tee "$no_main_cluster" >/dev/null
        trap allow_main_cluster EXIT
    fi
    install_packages "${packages[@]}"
    allow_main_cluster
    if [[ " ${packages[*]} " == *" postgresql-$server "* && -d /etc/postgresql/$server/main ]]; then
        note "Debian made a cluster of its own, $server/main; token_auth does not use it."
    fi
}

allow_main_cluster() {
    [[ -e $no_main_cluster ]] || return 0
    as_root rm -f "$no_main_cluster"
    as_root rmdir --ignore-fail-on-non-empty "$(dirname "$no_main_cluster")"
}

main
