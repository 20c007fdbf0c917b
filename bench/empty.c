/* Functions with the signature of verify_token that do nothing: the cost of a call itself. */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(empty_null);
PG_FUNCTION_INFO_V1(empty_row);

Datum
empty_null(PG_FUNCTION_ARGS)
{
	PG_RETURN_NULL();
}

/* A verification as verify_token returns it, made once and copied for each call. */
static HeapTuple
make_row(FunctionCallInfo fcinfo)
{
	MemoryContext before = MemoryContextSwitchTo(TopMemoryContext);
	Datum		values[10];
	bool		nulls[10] = {false};
	TupleDesc	descriptor;
	HeapTuple	row;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE || descriptor->natts != 10)
		elog(ERROR, "empty_row returns a verification");
	descriptor = BlessTupleDesc(descriptor);
	values[0] = BoolGetDatum(true);
	values[1] = CStringGetTextDatum("ok");
	values[2] = Int64GetDatum(123456);
	values[3] = Int64GetDatum(4321);
	values[4] = CStringGetTextDatum("account 4321");
	values[5] = Int64GetDatum(4321);
	values[6] = CStringGetTextDatum("token 123456");
	nulls[7] = true;
	nulls[8] = true;
	values[9] = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	row = heap_form_tuple(descriptor, values, nulls);
	MemoryContextSwitchTo(before);
	return row;
}

Datum
empty_row(PG_FUNCTION_ARGS)
{
	static HeapTuple row = NULL;
	HeapTupleHeader copy;

	if (row == NULL)
		row = make_row(fcinfo);
	copy = (HeapTupleHeader) palloc(row->t_len);
	memcpy(copy, row->t_data, row->t_len);
	PG_RETURN_DATUM(PointerGetDatum(copy));
}
