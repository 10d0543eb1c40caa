#include "store/wf_sql.h"

/* Who calls, and the people and keys of companies. */

const wf_pg_stmt_t wf_sql_people[] = {
    WF_SQL_AT(WF_SQL_AUTH_KEY) = {"auth_key", "select wflows.api_key_record($1)", 1},
    WF_SQL_AT(WF_SQL_AUTH_KEY_USED) =
        {"auth_key_used",
         "update wflows.api_keys set last_used_at = now(), usage_count = usage_count + $3::bigint"
         " where company_id = $1::uuid and id = $2::uuid",
         3},
    /* So many addresses of a key are kept that a caller who changes them with every request fills nothing. */
    WF_SQL_AT(WF_SQL_AUTH_KEY_ADDRESS) =
        {"auth_key_address",
         "insert into wflows.api_key_addresses (company_id, key_id, address)"
         " select $1::uuid, $2::uuid, $3"
         " where (select count(*) from wflows.api_key_addresses a"
         " where a.company_id = $1::uuid and a.key_id = $2::uuid) < 256"
         " on conflict do nothing returning address",
         3},
    WF_SQL_AT(WF_SQL_AUTH_USER) = {"auth_user", "select wflows.auth_user($1::uuid, $2::uuid)", 2},
    WF_SQL_AT(WF_SQL_AUTH_COMPANY) = {"auth_company", "select wflows.auth_company($1)", 1},
};
