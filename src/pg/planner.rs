//! What a planner support function learns about the call of its function
//! (<https://www.postgresql.org/docs/current/xfunc-optimization.html>).

use std::ffi::CStr;

use pgrx::{Internal, PgList, pg_sys};

/// Returns the name of the called function if the planner asks about a call that was written as `(function(...)).*`.
///
/// The parser makes one call for each column of that (`ExpandRowReference` in parser/parse_target.c): columns of equal calls
/// in the list of results.
pub fn expanded_call(request: Internal) -> Option<String> {
    let node = request.unwrap()?.cast_mut_ptr::<pg_sys::SupportRequestSimplify>();
    // SAFETY: the planner passes a node, whose tag says which one. All that it points to is alive during the call.
    unsafe {
        if (*node).type_ != pg_sys::NodeTag::T_SupportRequestSimplify || (*node).root.is_null() {
            return None;
        }
        let function = (*(*node).fcall).funcid;
        let results = PgList::<pg_sys::TargetEntry>::from_pg((*(*(*node).root).parse).targetList);
        let columns: Vec<_> = results.iter_ptr().filter_map(|entry| column_of_call((*entry).expr, function)).collect();
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

/// Returns an expression that is a column of a call of this function.
///
/// # Safety
/// `expression` is an expression of the planner.
unsafe fn column_of_call(expression: *mut pg_sys::Expr, function: pg_sys::Oid) -> Option<*mut pg_sys::FieldSelect> {
    // SAFETY: the tags say what the nodes are.
    unsafe {
        if expression.is_null() || (*expression).type_ != pg_sys::NodeTag::T_FieldSelect {
            return None;
        }
        let column = expression.cast::<pg_sys::FieldSelect>();
        let call = (*column).arg;
        let is_call =
            (*call).type_ == pg_sys::NodeTag::T_FuncExpr && (*call.cast::<pg_sys::FuncExpr>()).funcid == function;
        is_call.then(|| column)
    }
}
