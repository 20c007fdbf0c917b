#!/usr/bin/env bash
# Gets what the examples of docs/clients.md need, and is missing: Debian's packages for Python, Perl, PHP, Ruby, Go and Java,
# and the packages of examples/clients/package.json for Node.js. These are installed below the target directory.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The packages, each with a command that fails if it is missing.
declare -A checks=(
    [python3-psycopg]="/usr/bin/python3 -c 'import psycopg'"
    [python3-psycopg2]="/usr/bin/python3 -c 'import psycopg2'"
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
)
node_packages=$target/clients

main() {
    local package missing=()
    need_target
    mkdir -p "$logs"
    for package in "${!checks[@]}"; do
        bash -c "${checks[$package]}" >/dev/null 2>&1 || missing+=("$package")
    done
    if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
    install_node_packages
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
