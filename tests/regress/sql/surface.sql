-- Every object of the extension, so that no addition, change or removal goes unnoticed.
\pset format unaligned
\pset tuples_only on

-- Functions: signature, result, volatility, parallel safety and strictness.
SELECT p.oid::regprocedure || ' -> ' || pg_get_function_result(p.oid)
       || ' ' || p.provolatile::text || p.proparallel::text || CASE WHEN p.proisstrict THEN ' strict' ELSE '' END
  FROM pg_proc p WHERE p.pronamespace = 'token_auth'::regnamespace ORDER BY 1;

-- Names and defaults of their arguments.
SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')'
  FROM pg_proc p WHERE p.pronamespace = 'token_auth'::regnamespace AND prorettype <> 'trigger'::regtype ORDER BY 1;

-- Tables and the view.
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relnamespace = 'token_auth'::regnamespace AND c.relkind IN ('r', 'v', 'c') AND a.attnum > 0
    AND NOT a.attisdropped
 ORDER BY c.relname, a.attnum;

SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'token_auth'::regnamespace AND contype NOT IN ('t', 'n')
 ORDER BY conrelid::regclass::text, conname;

SELECT indexrelid::regclass || ' ' || pg_get_indexdef(indexrelid)
  FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relnamespace = 'token_auth'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1;

SELECT pg_get_triggerdef(oid) FROM pg_trigger
 WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'token_auth'::regnamespace) AND NOT tgisinternal
  ORDER BY 1;

-- All other members, by kind. From version 17 on the types of arrays and of the rows of tables are members.
SELECT pg_describe_object(classid, objid, 0) FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'token_auth')
    AND deptype = 'e'
   AND classid <> 'pg_proc'::regclass
   AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
                    WHERE classid = 'pg_type'::regclass AND t.oid = objid AND (t.typelem <> 0 OR c.relkind <> 'c'))
 ORDER BY 1;

-- What pg_dump dumps.
SELECT c.oid::regclass || ' ' || e.condition
  FROM pg_extension, unnest(extconfig, extcondition) AS e(relation, condition) JOIN pg_class c ON c.oid = e.relation
 WHERE extname = 'token_auth' ORDER BY 1;

-- Columns without statistics, which would contain samples of the values.
SELECT attrelid::regclass || '.' || attname FROM pg_attribute
 WHERE attrelid = 'token_auth.token'::regclass AND attnum > 0 AND attstattarget = 0 ORDER BY attnum;

-- Settings.
SELECT name || ' ' || vartype || ' ' || context || ' [' || boot_val || ']' || coalesce(' ' || unit, '')
  FROM pg_settings WHERE name LIKE 'token\_auth.%' ORDER BY 1;

-- Every object has a comment: the schema, each function, table, column, view and type.
SELECT 'function without a comment: ' || oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'token_auth'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
SELECT 'relation without a comment: ' || oid::regclass FROM pg_class
 WHERE relnamespace = 'token_auth'::regnamespace AND relkind IN ('r', 'v', 'S')
   AND obj_description(oid, 'pg_class') IS NULL;
SELECT 'column without a comment: ' || c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a
    ON a.attrelid = c.oid
 WHERE c.relnamespace = 'token_auth'::regnamespace AND c.relkind IN ('r', 'v', 'c') AND a.attnum > 0
    AND NOT a.attisdropped
   AND col_description(c.oid, a.attnum) IS NULL;
SELECT 'constraint without a comment: ' || conname FROM pg_constraint
 WHERE connamespace = 'token_auth'::regnamespace AND contype NOT IN ('t', 'n')
   AND obj_description(oid, 'pg_constraint') IS NULL;
SELECT 'trigger without a comment: ' || tgname || ' on ' || tgrelid::regclass FROM pg_trigger JOIN pg_class c
    ON c.oid = tgrelid
 WHERE c.relnamespace = 'token_auth'::regnamespace AND NOT tgisinternal
    AND obj_description(pg_trigger.oid, 'pg_trigger') IS NULL;
SELECT 'index without a comment: ' || indexrelid::regclass FROM pg_index JOIN pg_class c ON c.oid = indexrelid
 WHERE c.relnamespace = 'token_auth'::regnamespace AND NOT EXISTS (SELECT FROM pg_constraint
                                                                   WHERE conindid = indexrelid)
   AND obj_description(indexrelid, 'pg_class') IS NULL;
SELECT 'schema: ' || obj_description('token_auth'::regnamespace, 'pg_namespace');
SELECT 'type: ' || obj_description('token_auth.verification'::regtype, 'pg_type');

-- Functions run as the caller and without settings: the library switches to the owner of the tables for its own
-- statements. Their owner is the owner of the extension. The tables belong to a role that owns nothing else.
SELECT 'security definer: ' || oid::regprocedure FROM pg_proc
 WHERE pronamespace = 'token_auth'::regnamespace AND (prosecdef OR proconfig IS NOT NULL);
SELECT 'function of another role: ' || p.oid::regprocedure FROM pg_proc p
 WHERE p.pronamespace = 'token_auth'::regnamespace
   AND p.proowner <> (SELECT extowner FROM pg_extension WHERE extname = 'token_auth');
SELECT c.relkind::text || ' ' || string_agg(DISTINCT pg_get_userbyid(c.relowner), ', ') FROM pg_class c
 WHERE c.relnamespace = 'token_auth'::regnamespace AND c.relkind IN ('r', 'S', 'v') GROUP BY c.relkind ORDER BY 1;
SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls,
       (SELECT count(*) FROM pg_auth_members WHERE member = r.oid OR roleid = r.oid) AS memberships,
       shobj_description(oid, 'pg_authid')
  FROM pg_roles r WHERE rolname LIKE 'token_auth%' ORDER BY 1;

-- The functions that PUBLIC may execute, which only concern the caller's own transaction.
SELECT 'for PUBLIC: ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'token_auth'::regnamespace
   AND EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0);
SELECT 'for PUBLIC: ' || oid::regclass FROM pg_class WHERE relnamespace = 'token_auth'::regnamespace
   AND EXISTS (SELECT FROM aclexplode(relacl) WHERE grantee = 0);
SELECT 'for PUBLIC: schema' FROM pg_namespace WHERE nspname = 'token_auth'
   AND EXISTS (SELECT FROM aclexplode(nspacl) WHERE grantee = 0);
