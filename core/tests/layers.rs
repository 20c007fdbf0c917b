//! The layers of the source code: imports run downward only, there is no import circle, and unsafe code is in `src/pg`.
//!
//! The test reads the sources of `src`, `core/src` and `bench/src`. The layers are described in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{ExprUnsafe, ItemFn, ItemImpl, Macro, UseTree};

/// The layers of `src`: a top-level file or folder, and those that it may import. `lib` is not listed: it may import all.
const LAYERS: &[(&str, &[&str])] = &[
    ("pg", &[]),
    ("guc", &["pg"]),
    ("error", &["pg"]),
    ("arguments", &["error", "pg"]),
    ("model", &["arguments", "error", "pg"]),
    ("verify", &["arguments", "guc", "error", "pg"]),
    ("session", &["verify", "arguments", "guc", "error", "pg"]),
    ("permission", &["session", "verify", "model", "arguments", "guc", "error", "pg"]),
    ("manage", &["permission", "session", "verify", "model", "arguments", "guc", "error", "pg"]),
    ("triggers", &["verify", "error", "pg"]),
    ("worker", &["manage", "model", "guc", "error", "pg"]),
    ("install", &["worker", "manage", "model", "guc", "error", "pg"]),
];

/// The layers that must not import the crate `token_auth_core`.
const WITHOUT_CORE: &[&str] = &["pg", "guc"];

/// The functions outside `src/pg` that need the attribute `#[unsafe(no_mangle)]`, which PostgreSQL finds by their names.
const ENTRY_POINTS: &[&str] = &["token_auth_launcher_main", "token_auth_worker_main"];

/// A source file, by its module path.
type Module = Vec<String>;

/// The paths that each file names, as they are written.
type Sources = BTreeMap<Module, Vec<Vec<String>>>;

#[test]
fn imports_of_src_run_downward_only() {
    let sources = read(&root().join("src"));
    let violations = upward_imports(&sources, LAYERS);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_layer_of_the_table_exists() {
    let sources = read(&root().join("src"));
    for (layer, _) in LAYERS {
        assert!(sources.keys().any(|module| module.first().is_some_and(|first| first == layer)), "{layer}");
    }
}

#[test]
fn no_import_circle_is_in_src_core_or_bench() {
    for folder in ["src", "core/src", "bench/src"] {
        let sources = read(&root().join(folder));
        assert!(sources.len() > 5, "{folder} has no sources");
        let circle = circle(&imports(&sources));
        assert!(circle.is_empty(), "{folder}: {}", circle.join(" -> "));
    }
}

#[test]
fn unsafe_code_is_in_src_pg_only() {
    for path in files(&root().join("src")) {
        let relative = path.strip_prefix(root()).expect("the file is in the repository");
        if !relative.starts_with("src/pg") {
            let found = unsafe_code(&fs::read_to_string(&path).expect("a readable file"));
            assert!(found.is_empty(), "{}: {}", relative.display(), found.join(", "));
        }
    }
}

#[test]
fn the_checks_find_what_they_look_for() {
    let sources = |files: &[(&str, &str)]| -> Sources {
        files.iter().map(|(module, text)| (module.split("::").map(str::to_string).collect(), paths(text))).collect()
    };
    let layers: &[(&str, &[&str])] = &[("low", &[]), ("high", &["low"])];
    let downward = sources(&[("low::a", "use super::b::B;"), ("low::b", ""), ("high", "use crate::low::a::A;")]);
    assert_eq!(upward_imports(&downward, layers), Vec::<String>::new());
    assert!(circle(&imports(&downward)).is_empty());

    let upward = sources(&[("low::a", "fn f() { crate::high::g(); }"), ("high", "use crate::low::a::A;")]);
    assert_eq!(upward_imports(&upward, layers).len(), 1);
    assert_eq!(circle(&imports(&upward)).len(), 3);

    let in_braces = sources(&[("low", "use crate::{high::{self, A}};"), ("high", "")]);
    assert_eq!(upward_imports(&in_braces, layers).len(), 1);
    let in_macro = sources(&[("low", "fn f() { println!(\"{}\", crate::high::A); }"), ("high", "")]);
    assert_eq!(upward_imports(&in_macro, layers).len(), 1);
    let unlisted = sources(&[("other", "")]);
    assert_eq!(upward_imports(&unlisted, layers).len(), 1);
    let core = sources(&[("pg", "use token_auth_core::name;")]);
    assert_eq!(upward_imports(&core, &[("pg", &[])]).len(), 1);

    assert_eq!(unsafe_code("fn f() { unsafe { g() } }").len(), 1);
    assert_eq!(unsafe_code("unsafe fn f() {}").len(), 1);
    assert_eq!(unsafe_code("unsafe impl Send for A {}").len(), 1);
    assert_eq!(unsafe_code("#[unsafe(no_mangle)] fn f() {}").len(), 1);
    assert!(unsafe_code("#[unsafe(no_mangle)] fn token_auth_worker_main() {}").is_empty());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("core is in the repository").to_path_buf()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Reads the files of a crate. The root (`lib.rs` or `main.rs`) is left out: it only declares the modules.
fn read(folder: &Path) -> Sources {
    let mut sources = Sources::new();
    for path in files(folder) {
        let relative = path.strip_prefix(folder).expect("the file is in its folder").with_extension("");
        let mut module: Module = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        if module != ["lib"] && module != ["main"] {
            sources.insert(module, paths(&fs::read_to_string(&path).expect("a readable file")));
        }
    }
    sources
}

/// Returns the paths that a source names outside its tests: in `use`, in code and in macros.
fn paths(source: &str) -> Vec<Vec<String>> {
    #[derive(Default)]
    struct Paths(Vec<Vec<String>>);

    impl Paths {
        fn add_use(&mut self, prefix: &[String], tree: &UseTree) {
            match tree {
                UseTree::Path(path) => self.add_use(&[prefix, &[path.ident.to_string()]].concat(), &path.tree),
                UseTree::Name(name) => self.0.push([prefix, &[name.ident.to_string()]].concat()),
                UseTree::Rename(rename) => self.0.push([prefix, &[rename.ident.to_string()]].concat()),
                UseTree::Glob(_) => self.0.push(prefix.to_vec()),
                UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(prefix, tree)),
            }
        }
    }

    impl<'ast> Visit<'ast> for Paths {
        fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
            self.add_use(&[], &item.tree);
        }

        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
            visit::visit_path(self, path);
        }

        fn visit_macro(&mut self, item: &'ast Macro) {
            let tokens = item.tokens.to_string();
            let words = tokens.split(|c: char| !(c.is_alphanumeric() || "_: ".contains(c)));
            for path in words.map(|words| words.replace(" :: ", "::")).filter(|words| words.contains("::")) {
                for path in path.split_whitespace().filter(|word| word.contains("::")) {
                    self.0.push(path.split("::").map(str::to_string).collect());
                }
            }
            visit::visit_macro(self, item);
        }

        fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
            if item.ident != "tests" {
                visit::visit_item_mod(self, item);
            }
        }
    }

    let mut paths = Paths::default();
    paths.visit_file(&syn::parse_file(source).expect("a source file parses"));
    paths.0
}

/// Returns the module that a path in `module` leads to, if it is another module of the crate.
fn target(sources: &Sources, module: &Module, path: &[String]) -> Option<Module> {
    let absolute: Module = match path.first()?.as_str() {
        "crate" => path[1..].to_vec(),
        "self" => [module, &path[1..]].concat(),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            [&module[..module.len().checked_sub(ups)?], &path[ups..]].concat()
        }
        // A path without a prefix may begin with a child module.
        _ => [module, path].concat(),
    };
    let found =
        (1..=absolute.len()).rev().map(|end| absolute[..end].to_vec()).find(|module| sources.contains_key(module));
    found.filter(|found| found != module)
}

fn imports(sources: &Sources) -> BTreeMap<Module, BTreeSet<Module>> {
    let targets = |(module, paths): (&Module, &Vec<Vec<String>>)| {
        // A module that re-exports its children, and children that use what their parent defines, are one module.
        let is_parent = |target: &Module| module.starts_with(target);
        let found = paths.iter().filter_map(|path| target(sources, module, path)).filter(|target| !is_parent(target));
        (module.clone(), found.collect())
    };
    sources.iter().map(targets).collect()
}

/// Returns a circle of imports, with its first module repeated at the end. Empty if there is none.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Vec<String> {
    fn search<'a>(
        imports: &'a BTreeMap<Module, BTreeSet<Module>>,
        module: &'a Module,
        route: &mut Vec<&'a Module>,
        done: &mut BTreeSet<&'a Module>,
    ) -> Vec<String> {
        if let Some(start) = route.iter().position(|visited| *visited == module) {
            return route[start..].iter().chain([&module]).map(|module| module.join("::")).collect();
        }
        if !done.contains(module) {
            route.push(module);
            for next in &imports[module] {
                let found = search(imports, next, route, done);
                if !found.is_empty() {
                    return found;
                }
            }
            route.pop();
            done.insert(module);
        }
        Vec::new()
    }

    let mut done = BTreeSet::new();
    let circles = imports.keys().map(|module| search(imports, module, &mut Vec::new(), &mut done));
    circles.into_iter().find(|circle| !circle.is_empty()).unwrap_or_default()
}

/// Returns the imports that the table of layers does not allow, each with what to do.
fn upward_imports(sources: &Sources, layers: &[(&str, &[&str])]) -> Vec<String> {
    let mut violations = Vec::new();
    for (module, paths) in sources {
        let layer = &module[0];
        let name = module.join("::");
        let Some((_, allowed)) = layers.iter().find(|(listed, _)| listed == layer) else {
            violations.push(format!(
                "{name}: the layer {layer} is not in the table of layers: add it with what it may import"
            ));
            continue;
        };
        for path in paths {
            let imported = target(sources, module, path).map(|target| target[0].clone());
            if let Some(imported) =
                imported.filter(|imported| imported != layer && !allowed.contains(&imported.as_str()))
            {
                violations.push(format!("{name}: {layer} must not import {imported}: move the code to a higher layer"));
            }
            if path[0] == "token_auth_core" && WITHOUT_CORE.contains(&layer.as_str()) {
                violations
                    .push(format!("{name}: {layer} must not import token_auth_core: move the code to a higher layer"));
            }
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

/// Returns the unsafe code of a source that is no entry point of PostgreSQL.
fn unsafe_code(source: &str) -> Vec<String> {
    #[derive(Default)]
    struct Unsafe(Vec<String>);

    impl<'ast> Visit<'ast> for Unsafe {
        fn visit_expr_unsafe(&mut self, block: &'ast ExprUnsafe) {
            self.0.push("an unsafe block".to_string());
            visit::visit_expr_unsafe(self, block);
        }

        fn visit_item_fn(&mut self, function: &'ast ItemFn) {
            let name = function.sig.ident.to_string();
            let is_unsafe = function.sig.unsafety.is_some()
                || function.attrs.iter().any(|attribute| attribute.path().is_ident("unsafe"));
            if is_unsafe && !ENTRY_POINTS.contains(&name.as_str()) {
                self.0.push(format!("the unsafe function {name}"));
            }
            visit::visit_item_fn(self, function);
        }

        fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
            if item.unsafety.is_some() {
                self.0.push("an unsafe impl".to_string());
            }
            visit::visit_item_impl(self, item);
        }
    }

    let mut found = Unsafe::default();
    found.visit_file(&syn::parse_file(source).expect("a source file parses"));
    found.0
}
