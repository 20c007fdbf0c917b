#!/usr/bin/env bash
# Gets what the examples of docs/clients.md, docs/leaks.md and docs/migrating.md need, and is missing: Debian's packages for Python, Perl,
# PHP, Ruby, Go and Java, and packages for Node.js and Python in the versions that the examples name. These are installed below the
# target directory.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The packages, each with a command that fails if it is missing.
declare -A checks=(
    [python3-psycopg]="/usr/bin/python3 -c 'import psycopg'"
    [python3-psycopg2]="/usr/bin/python3 -c 'import psycopg2'"
    [python3-cryptography]="/usr/bin/python3 -c 'import cryptography'"
    [python3-asyncpg]="/usr/bin/python3 -c 'import asyncpg'"
    [python3-sqlalchemy]="/usr/bin/python3 -c 'import sqlalchemy'"
    [alembic]="/usr/bin/python3 -c 'import alembic'"
    [python3-django]="/usr/bin/python3 -c 'import django'"
    [libdbd-pg-perl]="perl -e 'use DBD::Pg'"
    [php-cli]="php --version"
    [php-pgsql]="php -r 'new ReflectionExtension(\"pdo_pgsql\");'"
    [ruby-pg]="ruby -e 'require \"pg\"'"
    [ruby-activerecord]="ruby -e 'require \"active_record\"'"
    [golang-go]="go version"
    [golang-github-jackc-pgx-v4-dev]="test -d /usr/share/gocode/src/github.com/jackc/pgx/v4"
    [default-jdk-headless]="java --list-modules | grep -q jdk.compiler"
    [libpostgresql-jdbc-java]="test -e /usr/share/java/postgresql.jar"
    [npm]="npm --version"
    [python3-venv]="/usr/bin/python3 -c 'import ensurepip'"
)
node_packages=$target/clients
# What the systems need whose keys docs/migrating.md imports.
migrating=$target/migrating

main() {
    local package missing=()
    need_target
    mkdir -p "$logs"
    for package in "${!checks[@]}"; do
        bash -c "${checks[$package]}" >/dev/null 2>&1 || missing+=("$package")
    done
    if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
    install_node_packages
    install_for_migrating
}

install_for_migrating() {
    local files=$root/examples/migrating
    mkdir -p "$migrating"
    cp "$files"/package*.json "$migrating"
    if ! cmp -s "$files/requirements.txt" "$migrating/installed-python"; then
        step "Installing the packages for Python" "$logs/pip.log" install_python_packages "$files/requirements.txt"
        cp "$files/requirements.txt" "$migrating/installed-python"
    fi
    if ! cmp -s "$files/package-lock.json" "$migrating/installed-node"; then
        step "Installing better-auth" "$logs/npm-migrating.log" npm --prefix "$migrating" ci --no-fund --no-audit
        cp "$files/package-lock.json" "$migrating/installed-node"
    fi
}

# Into an environment of their own: Debian's Python takes no others.
install_python_packages() {
    /usr/bin/python3 -m venv --clear "$migrating/venv"
    "$migrating/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$1"
}

# The examples are copied beside their packages, where Node.js looks for these.
install_node_packages() {
    mkdir -p "$node_packages"
    cp "$root"/examples/clients/*.mjs "$root"/examples/clients/schema.prisma "$root"/examples/clients/package*.json "$node_packages"
    if ! cmp -s "$node_packages/package-lock.json" "$node_packages/installed"; then
        step "Installing the packages for Node.js" "$logs/npm.log" npm --prefix "$node_packages" ci --no-fund --no-audit
        step "Generating the Prisma client" "$logs/prisma.log" generate_prisma_client
        cp "$node_packages/package-lock.json" "$node_packages/installed"
    fi
}

# The client needs no engine. Without the variable, Prisma downloads one.
generate_prisma_client() {
    (cd "$node_packages" && PRISMA_SCHEMA_ENGINE_BINARY=/bin/true npx prisma generate --schema schema.prisma)
}

main
