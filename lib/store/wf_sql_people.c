#include "store/wf_sql_json.h"

/* Who calls, and the people and keys of companies. */

/* Whether it has expired is asked when it is shown: no job has to come by first. */
#define API_KEY_STATUS                                                                  \
    "case when k.status = 'active' and k.expires_at <= now() then 'expired' else k.status end"

#define API_KEY_COLUMNS(T) \
    "k.id, k.company_id, k.name, k.key_prefix, to_json(k.scopes) as scopes, " \
    "to_json(k.whatsapp_account_ids) as whatsapp_account_ids, " \
    "k.rate_limit_per_minute, " API_KEY_STATUS " as status, " \
    T("k.last_used_at") " as last_used_at, " \
    "k.usage_count, " \
    T("k.expires_at") " as expires_at, " \
    "k.created_by, " \
    T("k.created_at") " as created_at, " \
    T("k.updated_at") " as updated_at"
#define API_KEY_JSON WF_SQL_JSON_OF(API_KEY_COLUMNS(WF_SQL_TIME_TEXT))

#define USER_COLUMNS(T) \
    "u.id, u.company_id, u.email, u.name, u.role, u.status, " \
    "u.password_hash is not null as has_password, " \
    T("u.last_login_at") " as last_login_at, " \
    "u.created_by, u.updated_by, " \
    T("u.created_at") " as created_at, " \
    T("u.updated_at") " as updated_at"
#define USER_JSON WF_SQL_JSON_OF(USER_COLUMNS(WF_SQL_TIME_TEXT))

#define KEYS "wflows.api_keys k"
#define KEYS_FILTERED "k.company_id = $1::uuid and ($5::text is null or " API_KEY_STATUS " = $5)"
#define USERS "wflows.users u"
#define USERS_FILTERED                                                                  \
    "u.company_id = $1::uuid and u.deleted_at is null"                                  \
    " and ($5::text is null or u.status = $5) and ($6::text is null or u.role = $6)"    \
    " and ($7::text is null or lower(u.email) = lower($7))"

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

    WF_SQL_AT(WF_SQL_API_KEY_ROW) =
        {"api_key_row",
         "select " API_KEY_JSON " from " KEYS " where k.company_id = $1::uuid and k.id = $2::uuid",
         2},
    WF_SQL_AT(WF_SQL_API_KEY_LIST) =
        {"api_key_list",
         "select coalesce(json_agg(" API_KEY_JSON " order by k.created_at, k.id), '[]')"
         " from " KEYS " where k.company_id = $1::uuid",
         1},
    WF_SQL_AT(WF_SQL_API_KEY_PAGE_NEWEST) =
        {"api_key_page_newest",
         WF_SQL_PAGE_NEWEST(API_KEY_COLUMNS(WF_SQL_TIME), KEYS, KEYS_FILTERED, "k.created_at", "k.id"), 5},
    WF_SQL_AT(WF_SQL_API_KEY_PAGE_OLDEST) =
        {"api_key_page_oldest",
         WF_SQL_PAGE_OLDEST(API_KEY_COLUMNS(WF_SQL_TIME), KEYS, KEYS_FILTERED, "k.created_at", "k.id"), 5},
    WF_SQL_AT(WF_SQL_API_KEY_PAGE_NAME) =
        {"api_key_page_name", WF_SQL_PAGE_TEXT(API_KEY_COLUMNS(WF_SQL_TIME), KEYS, KEYS_FILTERED, "k.name", "k.id"),
         5},
    /* How many of the ids are no account of the company. */
    WF_SQL_AT(WF_SQL_API_KEY_ACCOUNTS) =
        {"api_key_accounts",
         "select count(*) from json_array_elements_text($2::json) i (id) where not exists"
         " (select from wflows.whatsapp_accounts a where a.company_id = $1::uuid"
         " and a.id = i.id::uuid and a.deleted_at is null)",
         2},
    WF_SQL_AT(WF_SQL_API_KEY_INSERT) =
        {"api_key_insert",
         "insert into wflows.api_keys as k (company_id, id, name, scopes, whatsapp_account_ids,"
         " rate_limit_per_minute, expires_at, created_by, key_prefix, key_hash)"
         " select $1::uuid, $2::uuid, n.name, n.scopes, coalesce(n.whatsapp_account_ids, '{}'),"
         " coalesce(n.rate_limit_per_minute, 60), n.expires_at, $4, $5, $6"
         " from jsonb_populate_record(null::wflows.api_keys, $3::jsonb) n returning " API_KEY_JSON,
         6},
    WF_SQL_AT(WF_SQL_API_KEY_REPLACE) =
        {"api_key_replace",
         "update wflows.api_keys k set key_prefix = $3, key_hash = $4, updated_at = now()"
         " where k.company_id = $1::uuid and k.id = $2::uuid returning " API_KEY_JSON,
         4},
    WF_SQL_AT(WF_SQL_API_KEY_REVOKE) =
        {"api_key_revoke",
         "update wflows.api_keys k set status = 'revoked',"
         " updated_at = case when k.status = 'revoked' then k.updated_at else now() end"
         " where k.company_id = $1::uuid and k.id = $2::uuid returning " API_KEY_JSON,
         2},

    WF_SQL_AT(WF_SQL_USER_FIND) =
        {"user_find",
         "select " USER_JSON " from " USERS " where u.company_id = $1::uuid"
         " and (u.id = $2::uuid or lower(u.email) = lower($3)) and u.deleted_at is null",
         3},
    WF_SQL_AT(WF_SQL_USER_LIST) =
        {"user_list",
         "select coalesce(json_agg(" USER_JSON " order by u.created_at, u.id), '[]')"
         " from " USERS " where u.company_id = $1::uuid and u.deleted_at is null",
         1},
    WF_SQL_AT(WF_SQL_USER_PAGE_NEWEST) =
        {"user_page_newest",
         WF_SQL_PAGE_NEWEST(USER_COLUMNS(WF_SQL_TIME), USERS, USERS_FILTERED, "u.created_at", "u.id"), 7},
    WF_SQL_AT(WF_SQL_USER_PAGE_OLDEST) =
        {"user_page_oldest",
         WF_SQL_PAGE_OLDEST(USER_COLUMNS(WF_SQL_TIME), USERS, USERS_FILTERED, "u.created_at", "u.id"), 7},
    WF_SQL_AT(WF_SQL_USER_PAGE_EMAIL) =
        {"user_page_email", WF_SQL_PAGE_TEXT(USER_COLUMNS(WF_SQL_TIME), USERS, USERS_FILTERED, "u.email", "u.id"),
         7},
    WF_SQL_AT(WF_SQL_USER_COUNT) =
        {"user_count",
         "select (select count(*) from wflows.users u where u.company_id = c.id"
         " and u.deleted_at is null), p.max_users from wflows.companies c"
         " join wflows.plans p on p.name = c.subscription_plan where c.id = $1::uuid",
         1},
    /* As wflows_platform. */
    WF_SQL_AT(WF_SQL_USER_ELSEWHERE) =
        {"user_elsewhere",
         "select u.id, u.password_hash from wflows.users u where lower(u.email) = lower($1)"
         " and u.deleted_at is null order by u.created_at, u.company_id limit 1",
         1},
    WF_SQL_AT(WF_SQL_USER_OTHERS) =
        {"user_others",
         "select count(*) from wflows.users u where u.id = $1::uuid and u.company_id <> $2::uuid"
         " and u.deleted_at is null",
         2},
    WF_SQL_AT(WF_SQL_USER_ADMINS) =
        {"user_admins",
         "select count(*) from wflows.users u where u.company_id = $1::uuid and u.role = 'admin'"
         " and u.status = 'active' and u.deleted_at is null",
         1},
    WF_SQL_AT(WF_SQL_USER_INSERT) =
        {"user_insert",
         "insert into wflows.users as u (company_id, id, email, name, role, status, password_hash,"
         " created_by, updated_by)"
         " select $1::uuid, $2::uuid, n.email, n.name, n.role, case when n.status = 'inactive'"
         " then 'inactive' when $5::text is null then 'invited' else 'active' end, $5, $4, $4"
         " from jsonb_populate_record(null::wflows.users, $3::jsonb) n"
         /* Somebody who comes back is the same person again. */
         " on conflict (company_id, id) do update set email = excluded.email, name = excluded.name,"
         " role = excluded.role, status = excluded.status, password_hash = excluded.password_hash,"
         " deleted_at = null, updated_by = excluded.updated_by, updated_at = now()"
         " where u.deleted_at is not null returning " USER_JSON,
         5},
    WF_SQL_AT(WF_SQL_USER_UPDATE) =
        {"user_update",
         "with n as (update wflows.users u set (email, name, role, status)"
         " = (select n.email, n.name, n.role, case when n.status = 'active' and"
         " u.password_hash is null then 'invited' else n.status end"
         " from jsonb_populate_record(u, $3::jsonb) n),"
         " tokens_not_before = case when $3::jsonb ->> 'status' = 'inactive' then now()"
         " else u.tokens_not_before end, updated_by = $4, updated_at = now()"
         " where u.company_id = $1::uuid and u.id = $2::uuid and u.deleted_at is null"
         " returning u.*), ended as (update wflows.user_sessions s set revoked_at = now(),"
         " revoked_reason = 'removed' from n where n.status = 'inactive'"
         " and s.company_id = n.company_id and s.user_id = n.id and s.revoked_at is null)"
         " select " USER_JSON " from n u",
         4},
    /* As wflows_platform: $3 is the session that goes on. */
    WF_SQL_AT(WF_SQL_USER_SET_PASSWORD) =
        {"user_set_password",
         "with n as (update wflows.users u set password_hash = $2, tokens_not_before = now(),"
         " status = case when u.status = 'invited' then 'active' else u.status end,"
         " updated_by = $4, updated_at = now() where u.id = $1::uuid and u.deleted_at is null"
         " returning u.id)"
         " update wflows.user_sessions s set revoked_at = now(), revoked_reason = 'password'"
         " from (select distinct n.id from n) p where s.user_id = p.id and s.revoked_at is null"
         " and s.id is distinct from $3::uuid",
         4},
    WF_SQL_AT(WF_SQL_USER_REMOVE) =
        {"user_remove",
         "with n as (update wflows.users u set deleted_at = now(), tokens_not_before = now(),"
         " updated_by = $3, updated_at = now()"
         " where u.company_id = $1::uuid and u.id = $2::uuid and u.deleted_at is null"
         " returning u.company_id, u.id)"
         " update wflows.user_sessions s set revoked_at = now(), revoked_reason = 'removed'"
         " from n where s.company_id = n.company_id and s.user_id = n.id and s.revoked_at is null",
         3},

    WF_SQL_AT(WF_SQL_LOGIN_RECORD) = {"login_record", "select wflows.login_record($1, $2)", 2},
    WF_SQL_AT(WF_SQL_LOGIN_SESSION) =
        {"login_session",
         "insert into wflows.user_sessions (company_id, id, user_id, tenant_id, ip_address,"
         " user_agent, expires_at) values ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5, left($6, 500),"
         " wflows.us_time($7::bigint))",
         7},
    WF_SQL_AT(WF_SQL_LOGIN_TOKEN) =
        {"login_token",
         "insert into wflows.refresh_tokens (company_id, session_id, token_hash, expires_at)"
         " values ($1::uuid, $2::uuid, decode($3, 'hex'), wflows.us_time($4::bigint))",
         4},
    WF_SQL_AT(WF_SQL_LOGIN_SEEN) =
        {"login_seen",
         "update wflows.users u set last_login_at = now()"
         " where u.company_id = $1::uuid and u.id = $2::uuid",
         2},
    WF_SQL_AT(WF_SQL_LOGIN_REFRESH_RECORD) =
        {"login_refresh_record", "select wflows.refresh_record($1)", 1},
    /* Uses a token up, in one statement so that two at once cannot both succeed. The row tells how it was. */
    WF_SQL_AT(WF_SQL_LOGIN_REFRESH) =
        {"login_refresh",
         "with before as (select t.used_at is not null as used, t.expires_at <= now() as late,"
         " s.user_id, s.tenant_id, s.revoked_at is not null or s.expires_at <= now() as ended,"
         " (select u.role from wflows.users u where u.company_id = s.company_id"
         " and u.id = s.user_id and u.deleted_at is null and u.status = 'active') as role"
         " from wflows.refresh_tokens t join wflows.user_sessions s"
         " on s.company_id = t.company_id and s.id = t.session_id"
         " where t.company_id = $1::uuid and t.token_hash = decode($2, 'hex') for update of t, s),"
         " used as (update wflows.refresh_tokens t set used_at = now() from before b"
         " where t.company_id = $1::uuid and t.token_hash = decode($2, 'hex') and not b.used)"
         " select b.used::int, (b.late or b.ended or b.role is null)::int, b.user_id, b.tenant_id,"
         " b.role"
         " from before b",
         2},
    WF_SQL_AT(WF_SQL_LOGIN_EXTEND) =
        {"login_extend",
         "update wflows.user_sessions s set expires_at = wflows.us_time($3::bigint)"
         " where s.company_id = $1::uuid and s.id = $2::uuid",
         3},
    /* One session, or all of the person's ($1 NULL): as wflows_platform, of whatever company. */
    WF_SQL_AT(WF_SQL_LOGIN_REVOKE) =
        {"login_revoke",
         "update wflows.user_sessions s set revoked_at = now(), revoked_reason = $3"
         " where s.user_id = $2::uuid and s.revoked_at is null"
         " and ($1::uuid is null or s.id = $1::uuid)",
         3},
    WF_SQL_AT(WF_SQL_LOGIN_HASH) =
        {"login_hash",
         "select u.password_hash, u.email from wflows.users u where u.company_id = $1::uuid"
         " and u.id = $2::uuid and u.deleted_at is null and u.password_hash is not null",
         2},
    WF_SQL_AT(WF_SQL_LOGIN_SWEEP) =
        {"login_sweep",
         "delete from wflows.user_sessions s where s.ctid = any (array("
         "select e.ctid from wflows.user_sessions e where e.expires_at < now() - interval '7 days'"
         " order by e.expires_at limit $1::int for update skip locked))",
         1},
};
