//! What the source declares of PostgreSQL by hand because the bindings do not have it: this server's headers agree.

use cluster::Programs;

const BGWORKER: &str = include_str!("../../../../src/pg/bgworker.rs");
const UNGUARDED: &str = include_str!("../../../../src/pg/unguarded.rs");

/// Returns a header of the server, each run of white space as one space.
fn header(name: &str) -> String {
    let path = Programs::installed().include_directory().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_id_of_the_statement_timeout_is_that_of_the_server() {
    let header = header("utils/timeout.h");
    let (_, members) = header.split_once("typedef enum TimeoutId {").expect("the enum");
    let (members, _) = members.split_once('}').expect("its end");
    // A comment may contain a comma.
    let mut names = String::new();
    for (place, part) in members.split("/*").enumerate() {
        names.push_str(if place == 0 { part } else { part.split_once("*/").expect("the end of a comment").1 });
    }
    let place = names.split(',').position(|name| name.trim() == "STATEMENT_TIMEOUT").expect("the member");
    assert!(BGWORKER.contains(&format!("const STATEMENT_TIMEOUT: c_int = {place};")), "it is {place}: {names}");
}

#[test]
fn functions_that_are_declared_by_hand_are_those_of_the_server() {
    for (file, ours, name, theirs) in [
        (
            BGWORKER,
            "fn enable_timeout_after(id: c_int, delay_ms: c_int);",
            "utils/timeout.h",
            "extern void enable_timeout_after(TimeoutId id, int delay_ms);",
        ),
        (
            BGWORKER,
            "fn disable_timeout(id: c_int, keep_indicator: bool);",
            "utils/timeout.h",
            "extern void disable_timeout(TimeoutId id, bool keep_indicator);",
        ),
        (
            UNGUARDED,
            "pub fn errhint(format: *const c_char, ...) -> c_int;",
            "utils/elog.h",
            "extern int errhint(const char *fmt,...)",
        ),
    ] {
        assert!(file.contains(ours), "{ours}");
        assert!(header(name).contains(theirs), "{theirs}: {name}");
    }
}
