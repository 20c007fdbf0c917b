//! What the source declares of PostgreSQL by hand because the bindings do not have it: a C compiler accepts the same declarations
//! after this server's own.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use cluster::Programs;

/// The declarations in src/pg, and each in C.
const DECLARATIONS: [(&str, &str); 4] = [
    (
        "const STATEMENT_TIMEOUT: c_int = 3;",
        "StaticAssertDecl(STATEMENT_TIMEOUT == 3 && sizeof(TimeoutId) == sizeof(int), \"\");",
    ),
    ("fn enable_timeout_after(id: c_int, delay_ms: c_int);", "void enable_timeout_after(TimeoutId id, int delay_ms);"),
    (
        "fn disable_timeout(id: c_int, keep_indicator: bool);",
        "void disable_timeout(TimeoutId id, bool keep_indicator); StaticAssertDecl(sizeof(bool) == 1, \"\");",
    ),
    ("fn errhint(format: *const c_char, ...) -> c_int;", "int errhint(const char *format, ...);"),
];

#[test]
fn declarations_by_hand_agree_with_the_headers_of_the_server() {
    let source = source();
    for (ours, in_c) in DECLARATIONS {
        assert!(source.contains(ours), "src/pg does not have: {ours}");
        if let Err(message) = compile(in_c) {
            panic!("{ours}\n{message}");
        }
    }
    for wrong in [
        "StaticAssertDecl(STATEMENT_TIMEOUT == 4, \"\");",
        "void disable_timeout(TimeoutId id);",
        "void errhint(const char *format, ...);",
    ] {
        assert!(compile(wrong).is_err(), "accepted: {wrong}");
    }
}

/// The macro in src/pg/unguarded.rs, whose block is indented, compares its declarations with the bindings.
#[test]
fn every_function_that_is_declared_by_hand_is_compared() {
    let source = source();
    let blocks = source.split("\nunsafe extern \"C-unwind\" {\n").skip(1);
    let lines = blocks.flat_map(|block| block.lines().take_while(|line| *line != "}"));
    let functions: Vec<_> = lines.map(str::trim).filter(|line| !line.starts_with("//")).collect();
    assert_eq!(functions.len(), 3, "{functions:?}");
    for function in functions {
        let function = function.trim_start_matches("pub ");
        assert!(DECLARATIONS.iter().any(|(ours, _)| *ours == function), "{function}");
    }
}

/// Compiles C after the server's headers, or returns what the compiler says.
fn compile(declaration: &str) -> Result<(), String> {
    let mut compiler = Command::new("cc")
        .args(["-fsyntax-only", "-x", "c", "-D_GNU_SOURCE", "-I"])
        .arg(Programs::installed().include_directory())
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cc, which make setup installs");
    let text = format!("#include \"postgres.h\"\n#include \"utils/timeout.h\"\n{declaration}\n");
    compiler.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let output = compiler.wait_with_output().expect("it ends");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Returns the files of src/pg, one after another.
fn source() -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/pg");
    let mut text = String::new();
    for entry in fs::read_dir(directory).expect("src/pg") {
        text += &fs::read_to_string(entry.expect("an entry").path()).expect("a file");
    }
    text
}
