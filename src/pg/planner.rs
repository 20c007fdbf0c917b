//! What a planner support function learns about the call of its function
//! (<https://www.postgresql.org/docs/current/xfunc-optimization.html>).

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use pgrx::{Internal, pg_sys};

use super::xact::check_for_interrupts;

/// Returns the name of the called function if the planner asks about a call that was written as `(function(...)).*`.
///
/// The parser makes one call for each column of that (`ExpandRowReference` in parser/parse_target.c): columns of equal calls,
/// anywhere in the query and perhaps with casts around them.
pub fn expanded_call(request: Internal) -> Option<String> {
    let node = request.unwrap()?.cast_mut_ptr::<pg_sys::SupportRequestSimplify>();
    // SAFETY: the planner passes a node, whose tag says which one. All that it points to is alive during the call.
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_SupportRequestSimplify || (*node).root.is_null() {
            return None;
        }
        let query = (*(*node).root).parse;
        let function = (*(*node).fcall).funcid;
        let mut search = ExpansionSearch { function, recent: [ptr::null_mut(); RECENT], count: 0 };
        // Each subquery is planned by itself, and then is the query that is asked about.
        let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
        let is_expanded = !query.is_null()
            && pg_sys::query_tree_walker(query, Some(find_expansion), (&raw mut search).cast(), flags as c_int);
        let name = pg_sys::get_func_name(function);
        (is_expanded && !name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// Returns the answer of a support function that has none: a null pointer, which is not NULL.
pub fn no_answer() -> Internal {
    Internal::from(Some(pg_sys::Datum::from(0)))
}

/// Each column is compared with so many before it. The columns of an expanded call follow each other, and a query may have a call in each
/// of thousands of rows.
const RECENT: usize = 16;

/// A search for two columns of equal calls of a function.
struct ExpansionSearch {
    function: pg_sys::Oid,
    recent: [*mut pg_sys::FieldSelect; RECENT],
    count: usize,
}

impl ExpansionSearch {
    /// Returns true if `column` and a recent one are columns of equal calls of the function.
    ///
    /// # Safety
    /// `column` and the recent ones are nodes of a query.
    unsafe fn completes_expansion(&mut self, column: *mut pg_sys::FieldSelect) -> bool {
        // SAFETY: the tags say what the nodes are.
        unsafe {
            let call = (*column).arg;
            if (*call).type_ != pg_sys::NodeTag::T_FuncExpr
                || (*call.cast::<pg_sys::FuncExpr>()).funcid != self.function
            {
                return false;
            }
            let is_equal = |other: &*mut pg_sys::FieldSelect| {
                (**other).fieldnum != (*column).fieldnum && pg_sys::equal((**other).arg.cast(), call.cast())
            };
            if self.recent[..self.count.min(RECENT)].iter().any(is_equal) {
                return true;
            }
        }
        self.recent[self.count % RECENT] = column;
        self.count += 1;
        false
    }
}

/// Returns true if an expansion ends in this node, and so ends the walk.
///
/// # Safety
/// `node` is a node of a query or null, and `search` an `ExpansionSearch`.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn find_expansion(node: *mut pg_sys::Node, search: *mut c_void) -> bool {
    // SAFETY: the tags say what the nodes are.
    unsafe {
        if node.is_null() || (*node).type_ == pg_sys::NodeTag::T_Query {
            return false;
        }
        if (*node).type_ == pg_sys::NodeTag::T_FieldSelect {
            check_for_interrupts();
            if (*search.cast::<ExpansionSearch>()).completes_expansion(node.cast()) {
                return true;
            }
        }
        pg_sys::expression_tree_walker(node, Some(find_expansion), search)
    }
}
