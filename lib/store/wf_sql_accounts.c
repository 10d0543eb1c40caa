#include "store/wf_sql_json.h"

/* Columns that are set when an account is made, and those that only a change sets. P: in front of each name. */
#define MADE(P) \
    P "name, " P "phone_number, " P "display_name, " P "phone_number_id, " \
    P "waba_id, " P "access_token, " P "app_secret, " P "verify_token, " \
    P "callback_secret, " P "callback_webhook_url, " P "callback_event_types, " \
    P "callback_timeout, " P "callback_max_retries, " P "default_flow_name, " \
    P "flow_endpoint_timeout, " P "rate_limit_window_ms, " \
    P "rate_limit_max_requests, " P "key_rotation_scheduled_at, " P "settings, " P "features, " P "is_default, " \
    P "status"
#define CHANGED(P) \
    P "previous_app_secret, " P "previous_secret_until, " \
    P "previous_callback_secret, " P "previous_callback_secret_until, " \
    P "callback_disabled_at, " P "private_key, " P "public_key, " \
    P "key_generated_at, " P "previous_private_key, " P "previous_key_until, " \
    P "next_private_key, " P "next_public_key, " P "key_rotation_id, " \
    P "key_rotation_until, " \
    P "verification_status, " P "last_verified_at, " P "deleted_at"

#define ACCOUNTS "wflows.whatsapp_accounts a"
/* $5 status, $6 whether it is the default one, $7 the accounts that the caller may see. */
#define FILTERED                                                                          \
    "a.company_id = $1::uuid and a.deleted_at is null"                                    \
    " and ($5::text is null or a.status = $5)"                                            \
    " and ($6::boolean is null or a.is_default = $6::boolean)"                            \
    " and ($7::uuid[] is null or a.id = any ($7::uuid[]))"

const wf_pg_stmt_t wf_sql_accounts[] = {
    WF_SQL_AT(WF_SQL_ACCOUNT_COUNT) =
        {"account_count",
         "select count(*), coalesce(bool_or(a.is_default), false) from wflows.whatsapp_accounts a"
         " where a.company_id = $1::uuid and a.deleted_at is null",
         1},
    WF_SQL_AT(WF_SQL_ACCOUNT_INSERT) =
        {"account_insert",
         "insert into wflows.whatsapp_accounts as a (company_id, id, created_by, updated_by, " MADE("")
         ") select $1::uuid, $2::uuid, $4, $4, " MADE("n.")
         " from jsonb_populate_record(null::wflows.whatsapp_accounts, $3::jsonb) n"
         " returning " ACCOUNT_JSON,
         4},
    WF_SQL_AT(WF_SQL_ACCOUNT_ROW) =
        {"account_row",
         "select " ACCOUNT_JSON ", a.app_secret, a.private_key, a.callback_secret,"
         " a.next_private_key, a.next_public_key, a.key_rotation_id,"
         " wflows.time_us(a.key_rotation_until)"
         " from wflows.whatsapp_accounts a"
         " where a.company_id = $1::uuid and a.id = $2::uuid and a.deleted_at is null",
         2},
    WF_SQL_AT(WF_SQL_ACCOUNT_LIST) =
        {"account_list",
         "select coalesce(json_agg(" ACCOUNT_JSON " order by a.is_default desc, a.id), '[]')"
         " from wflows.whatsapp_accounts a"
         " where a.company_id = $1::uuid and a.deleted_at is null",
         1},
    WF_SQL_AT(WF_SQL_ACCOUNT_FIND) =
        {"account_find",
         "select " ACCOUNT_JSON " from wflows.whatsapp_accounts a"
         " where a.company_id = $1::uuid and a.deleted_at is null"
         " and (a.id = $2::uuid or a.phone_number_id = $3 or a.name = $3)"
         " order by (a.id = $2::uuid) desc nulls last, (a.phone_number_id = $3) desc limit 1",
         3},
    /* Members absent from $3 stay as they are. */
    WF_SQL_AT(WF_SQL_ACCOUNT_UPDATE) =
        {"account_update",
         "update wflows.whatsapp_accounts a set (" MADE("") ", " CHANGED("") ") = (select "
         MADE("n.") ", " CHANGED("n.") " from jsonb_populate_record(a, $3::jsonb) n),"
         " updated_by = $4, updated_at = now()"
         " where a.company_id = $1::uuid and a.id = $2::uuid and a.deleted_at is null"
         " returning " ACCOUNT_JSON,
         4},
    WF_SQL_AT(WF_SQL_ACCOUNT_CLEAR_DEFAULT) =
        {"account_clear_default",
         "update wflows.whatsapp_accounts a set is_default = false, updated_at = now()"
         " where a.company_id = $1::uuid and a.is_default",
         1},
    /* $3: which of them. */
    WF_SQL_AT(WF_SQL_ACCOUNT_SECRET) =
        {"account_secret",
         "select k.company_id, k.id, k.wrapped, s.id, s.sealed"
         " from (select a.company_id, a.id, case $3 when 'app_secret' then a.app_secret"
         "  when 'access_token' then a.access_token end as sealed"
         "  from wflows.whatsapp_accounts a"
         "  where a.company_id = $1::uuid and a.id = $2::uuid and a.deleted_at is null) s"
         " join wflows.data_keys k on k.company_id = s.company_id"
         "  and k.id = split_part(s.sealed, ':', 2)::uuid",
         3},
    WF_SQL_AT(WF_SQL_ACCOUNT_PAGE_NEWEST) =
        {"account_page_newest",
         WF_SQL_PAGE_NEWEST(ACCOUNT_COLUMNS(WF_SQL_TIME), ACCOUNTS, FILTERED, "a.created_at", "a.id"), 7},
    WF_SQL_AT(WF_SQL_ACCOUNT_PAGE_OLDEST) =
        {"account_page_oldest",
         WF_SQL_PAGE_OLDEST(ACCOUNT_COLUMNS(WF_SQL_TIME), ACCOUNTS, FILTERED, "a.created_at", "a.id"), 7},
    WF_SQL_AT(WF_SQL_ACCOUNT_PAGE_NAME) =
        {"account_page_name", WF_SQL_PAGE_TEXT(ACCOUNT_COLUMNS(WF_SQL_TIME), ACCOUNTS, FILTERED, "a.name", "a.id"), 7},
    /* $2 who, in every spelling; $3 what for. */
    WF_SQL_AT(WF_SQL_MESSAGE_OPTED_OUT) =
        {"message_opted_out",
         "select exists (select from wflows.opt_outs o where o.company_id = $1::uuid"
         " and o.contact = any ($2::text[]) and o.category = any ($3::text[]) and o.active)",
         3},
    /* No row: the key was used, and not for what certainly failed. */
    WF_SQL_AT(WF_SQL_MESSAGE_BEGIN) =
        {"message_begin",
         "insert into wflows.sent_messages as m (company_id, id, account_id, flow_id, kind,"
         " token_hash, send_key, created_by)"
         " values ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5, decode($6, 'hex'), $7, $8)"
         " on conflict (company_id, send_key) do update"
         " set status = 'sending', error_code = null, token_hash = excluded.token_hash,"
         " account_id = excluded.account_id, flow_id = excluded.flow_id, kind = excluded.kind,"
         " updated_at = now()"
         " where m.status = 'failed'"
         " returning m.id",
         8},
    WF_SQL_AT(WF_SQL_MESSAGE_OF_KEY) =
        {"message_of_key",
         "select m.id, m.status, m.message_id, m.account_id, m.flow_id from wflows.sent_messages m"
         " where m.company_id = $1::uuid and m.send_key = $2",
         2},
    WF_SQL_AT(WF_SQL_MESSAGE_END) =
        {"message_end",
         "update wflows.sent_messages m"
         " set status = $3, message_id = $4, error_code = $5, updated_at = now()"
         " where m.company_id = $1::uuid and m.id = $2::uuid and m.status = 'sending'",
         5},
    /* An answer without its flow_token finds the session by this. */
    WF_SQL_AT(WF_SQL_MESSAGE_LINK) =
        {"message_link",
         "insert into wflows.flow_messages (company_id, message_id, token_hash)"
         " select m.company_id, m.message_id, m.token_hash from wflows.sent_messages m"
         " where m.company_id = $1::uuid and m.id = $2::uuid and m.message_id is not null"
         " on conflict (company_id, message_id) do nothing",
         2},
};
