//! The text around the figures.

use super::{machine, required, tables};
use crate::{
    bench::{Bench, FEWER},
    sections::{changes, connections, deletion, domains, growth, idle, in_loop, list, management, socket},
    sizes::{TOKENS_PER_ACCOUNT, short},
};
use std::time::Duration;

pub fn text(bench: &Bench, took: Duration) -> String {
    let mut page = format!(
        "# Benchmarks\n\n\
         The cost of a verification, compared with alternatives, measured by `make bench` (`scripts/bench.sh` \
         has options to measure a part of it).\n{}\n\
         ## Requirements\n\n{}\n\
         ## How it was measured\n\n{}{}\n",
        warning(bench),
        required::table(bench),
        machine::description(bench),
        method(bench, took),
    );
    for (section, part) in [
        (socket::NAME, over_a_socket as fn(&Bench) -> String),
        (in_loop::NAME, in_a_loop),
        (growth::NAME, more_tokens),
        (connections::NAME, more_connections),
        (domains::NAME, more_domains),
        (list::NAME, list_of_tokens),
        (changes::NAME, while_tokens_change),
        (management::NAME, create_and_reset),
        (idle::NAME, idle_backends),
        (deletion::NAME, while_tokens_are_removed),
    ] {
        if bench.measured.has(section) {
            page += &format!("\n{}", part(bench));
        }
    }
    page
}

fn warning(bench: &Bench) -> &'static str {
    if bench.options.quick {
        "\n**Measured with `--quick`: small sizes, short times. The figures are meaningless.**\n"
    } else {
        ""
    }
}

fn method(bench: &Bench, took: Duration) -> String {
    let (repeats, seconds, warm_up) = (bench.options.repeats, bench.options.seconds, bench.options.warm_up());
    format!(
        "
Figures are medians of {repeats} repeats, and of {} with more connections and for create and reset. Within a repeat everything that is compared is measured in turns, and each repeat
begins with another one. A ratio or a difference is taken within each repeat, and is the median of these. Over a socket one
measurement takes {seconds} s, after a warm-up of {warm_up} s. All single measurements are in
[measurements.csv](benchmarks/measurements.csv). The whole run took {:.0} minutes.

An account has {TOKENS_PER_ACCOUNT} tokens and a domain, which is the home of the tokens. Each may read and send email on every
domain of the account. The question is `email:read` without a domain, unless something else is said, and the code is `ok`: a first
call of each kind is checked before anything is measured. *Hot* are {} tokens that are
verified repeatedly; *all* is every token of a database equally often, in random order. If no size is named, the database has {} tokens. The triggers of the tables were disabled only during loading.

pgbench cannot compute a secret. So each transaction of a script fetches a random row with 100 secrets, which is one page, and runs 100
statements with them (`pgbench --protocol=prepared`, without BEGIN: each is a transaction of its own). The reported rate is 100 times
that of pgbench. If there are enough processors, each client shares one with its backend: the two take turns, and on separate processors
each would have to wake the other's, which on a virtual machine takes longer than a verification. This is the same for everything that
is compared: the SELECT by primary key fetches 100 ids instead, and JSON Web Tokens, which are longer, are fetched in four rows of 25.
",
        repeats.min(FEWER),
        took.as_secs_f64() / 60.0,
        tables::number_of(bench.sizes.hot),
        short(bench.sizes.main()),
    )
}

fn over_a_socket(bench: &Bench) -> String {
    format!(
        "## Over a socket

Two clients of pgbench; statements a second, or pairs of statements for the lookup with an UPDATE.

{}
![Rates over a socket](benchmarks/socket.svg)

- The empty functions (`bench/empty.c`) have the signature and the result of `verify_token`, and do nothing: no function
  can be faster. One returns NULL, the other a constant row, which the server has to send.
- The small cache is the default of 16 MB for each session (`token_auth.cache_size`), which holds about 20,000 tokens.
- *In PL/pgSQL*: tables with the same contents, a unique index on the digest, one SELECT with joins, and scopes matched by one array
  operator, with the same results (`bench/sql/peers.sql`; compared before anything is measured).
- *Lookup, then UPDATE* is what frameworks with a table of tokens do: find the row by its digest, then record when it was last used.
  `token_auth` does not record it.
- *JSON Web Token*: HS256 by `pgcrypto`, base64url, the expiry and the scope. It reads no table, so it cannot be revoked.
",
        tables::socket(bench)
    )
}

fn in_a_loop(bench: &Bench) -> String {
    format!(
        "## In a loop

`SELECT count(f(secret, 'email:read', NULL)) FROM list`, one session without parallel workers; microseconds of the whole
statement divided by its {} rows. Each hot token is verified equally often.

{}
![Microseconds a call](benchmarks/loop.svg)
",
        tables::number_of(bench.sizes.calls),
        tables::in_loop(bench)
    )
}

fn more_tokens(bench: &Bench) -> String {
    format!(
        "## More tokens

Over a socket, two clients. A sample of {} tokens of the largest database is verified. They fit into the shared buffers, and are loaded
there before anything is measured.

{}
![More tokens](benchmarks/growth.svg)
",
        tables::number_of(bench.sizes.sample),
        tables::growth(bench)
    )
}

fn more_connections(bench: &Bench) -> String {
    format!(
        "## More connections

Over a socket, a second. Each session has its own cache, so here {} tokens are hot, and the warm-up is longer with more connections. The
caches of many sessions do not fit into those of the processors. With one connection, client and backend take turns, and each has to
wake the other: on a virtual machine that may take longer than all the rest, and varies.

{}
![More connections](benchmarks/connections.svg)
",
        tables::number_of(bench.sizes.connection_tokens),
        tables::connections(bench)
    )
}

fn more_domains(bench: &Bench) -> String {
    format!(
        "## More domains on a token

{} hot tokens with access to this number of the 1,000 domains of their account, each verified for one of them by name.

{}
![More domains on a token](benchmarks/domains.svg)
",
        tables::number_of(bench.sizes.domain_tokens),
        tables::domains(bench)
    )
}

fn list_of_tokens(bench: &Bench) -> String {
    format!(
        "## The list of tokens

Pages of 20 rows of the view `tokens`, in an account with {} tokens. Median of calls of one client, which shares a processor with its
backend.

{}",
        short(bench.sizes.main()),
        tables::list(bench)
    )
}

fn while_tokens_change(bench: &Bench) -> String {
    format!(
        "## While tokens change

Hot tokens over a socket, two clients, while a second pgbench pauses and resumes random tokens, and for comparison while it makes as many
changes to rows of an unrelated table. Each change is a commit.

{}
![While tokens change](benchmarks/changes.svg)
",
        tables::changes(bench)
    )
}

fn create_and_reset(bench: &Bench) -> String {
    format!(
        "## Create and reset

Each call is a commit, which waits for the disk. One at a time is the median of {} calls of one client, which shares a
processor with its backend.

{}",
        tables::number_of(bench.sizes.one_at_a_time),
        tables::management(bench)
    )
}

fn idle_backends(bench: &Bench) -> String {
    format!(
        "## Pause with idle sessions

Every session receives the messages of a change. These are idle, and each has five prepared statements with generic plans. Median of
{} calls of one client, each a commit.

{}",
        tables::number_of(bench.sizes.one_at_a_time),
        tables::idle(bench)
    )
}

fn while_tokens_are_removed(bench: &Bench) -> String {
    format!(
        "## While expired tokens are removed

{} expired tokens are added. After {} s the worker begins to remove them (`token_auth.sweep_interval = 1s`), which takes {} s. One client,
which shares a processor with its backend, verifies hot tokens and measures each call. Measured once.

{}
![While expired tokens are removed](benchmarks/deletion.svg)
",
        tables::number_of(bench.sizes.expired),
        deletion::CALM,
        tables::worker_seconds(bench),
        tables::deletion(bench)
    )
}
