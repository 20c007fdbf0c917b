//! A composite result, such as `verification`: values in the order of the columns that the function declares.

use pgrx::callconv::{BoxRet, FcInfo};
use pgrx::pg_sys;
use pgrx::pgrx_sql_entity_graph::metadata::{
    ArgumentError, ReturnsError, ReturnsRef, SqlMappingRef, SqlTranslatable, TypeOrigin,
};

use super::value::Value;

pub struct Record<const COLUMNS: usize>(pub [Value; COLUMNS]);

// SAFETY: the datum that it boxes is a composite of the type that the call expects, or an error.
unsafe impl<const COLUMNS: usize> BoxRet for Record<COLUMNS> {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> pgrx::datum::Datum<'fcx> {
        // SAFETY: called by the function's wrapper with PostgreSQL's own fcinfo. The types are compared with the
        // declared ones before the tuple is formed, and the datum is returned at once.
        unsafe {
            let mut tupdesc = std::ptr::null_mut();
            let class = pg_sys::get_call_result_type(fcinfo.as_mut_ptr(), std::ptr::null_mut(), &mut tupdesc);
            assert!(class == pg_sys::TypeFuncClass::TYPEFUNC_COMPOSITE, "the caller expects no composite result");
            assert!((*tupdesc).natts as usize == COLUMNS, "the caller expects another number of columns");
            for (place, value) in self.0.iter().enumerate() {
                let declared = pg_sys::SPI_gettypeid(tupdesc, place as i32 + 1);
                assert!(declared == value.oid, "the caller expects another type in column {}", place + 1);
            }
            let tupdesc = pg_sys::BlessTupleDesc(tupdesc);
            let mut values = self.0.map(|value| value.datum.unwrap_or_else(pg_sys::Datum::null));
            let mut nulls = self.0.map(|value| value.datum.is_none());
            let tuple = pg_sys::heap_form_tuple(tupdesc, values.as_mut_ptr(), nulls.as_mut_ptr());
            fcinfo.return_raw_datum(pg_sys::HeapTupleHeaderGetDatum((*tuple).t_data))
        }
    }
}

// SAFETY: only the SQL generator reads this, and every function that returns a record is declared in sql/ by hand.
unsafe impl<const COLUMNS: usize> SqlTranslatable for Record<COLUMNS> {
    const TYPE_IDENT: &'static str = "token_auth::Record";
    const TYPE_ORIGIN: TypeOrigin = TypeOrigin::External;
    const ARGUMENT_SQL: Result<SqlMappingRef, ArgumentError> = Err(ArgumentError::NotValidAsArgument("record"));
    const RETURN_SQL: Result<ReturnsRef, ReturnsError> = Ok(ReturnsRef::One(SqlMappingRef::literal("record")));
}
