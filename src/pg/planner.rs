//! What a planner support function learns about the call of its function
//! (<https://www.postgresql.org/docs/current/xfunc-optimization.html>).

use std::ffi::{CStr, c_int, c_void};

use pgrx::{Internal, pg_sys};

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
        let mut search = ColumnsOfCall { function, columns: Vec::new() };
        if !query.is_null() {
            // Each subquery is planned by itself, and then is the query that is asked about.
            let flags = pg_sys::QTW_IGNORE_RT_SUBQUERIES | pg_sys::QTW_IGNORE_CTE_SUBQUERIES;
            pg_sys::query_tree_walker(query, Some(find_column), (&raw mut search).cast(), flags as c_int);
        }
        let columns = search.columns;
        let is_expanded = columns.iter().enumerate().any(|(index, column)| {
            columns[..index].iter().any(|other| {
                (**column).fieldnum != (**other).fieldnum && pg_sys::equal((**column).arg.cast(), (**other).arg.cast())
            })
        });
        let name = pg_sys::get_func_name(function);
        (is_expanded && !name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    }
}

/// Returns the answer of a support function that has none: a null pointer, which is not NULL.
pub fn no_answer() -> Internal {
    Internal::from(Some(pg_sys::Datum::from(0)))
}

/// The columns of calls of a function in a query.
struct ColumnsOfCall {
    function: pg_sys::Oid,
    columns: Vec<*mut pg_sys::FieldSelect>,
}

/// Collects the node if it is a column of a call, and looks into it. Returns false, to go on.
///
/// # Safety
/// `node` is a node of a query or null, and `search` a `ColumnsOfCall`.
#[pgrx::pg_guard]
unsafe extern "C-unwind" fn find_column(node: *mut pg_sys::Node, search: *mut c_void) -> bool {
    // SAFETY: the tags say what the nodes are.
    unsafe {
        if node.is_null() || (*node).type_ == pg_sys::NodeTag::T_Query {
            return false;
        }
        if (*node).type_ == pg_sys::NodeTag::T_FieldSelect {
            let column = node.cast::<pg_sys::FieldSelect>();
            let call = (*column).arg;
            let search = &mut *search.cast::<ColumnsOfCall>();
            if (*call).type_ == pg_sys::NodeTag::T_FuncExpr
                && (*call.cast::<pg_sys::FuncExpr>()).funcid == search.function
            {
                search.columns.push(column);
            }
        }
        pg_sys::expression_tree_walker(node, Some(find_column), search)
    }
}
