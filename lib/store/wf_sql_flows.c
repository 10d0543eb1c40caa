#include "store/wf_sql_json.h"

/* ---- flows --------------------------------------------------------------------------------- */

#define FLOWS "wflows.flows f"
/* $5 name, $6 status, $7 account, $8 accounts of the caller */
#define FLOWS_FILTERED                                                              \
    "f.company_id = $1::uuid and f.deleted_at is null"                              \
    " and ($5::text is null or f.name = $5) and ($6::text is null or f.status = $6)" \
    " and " WF_SQL_OF_ACCOUNT("f.account_id", "$8")

#define VERSION_COLUMNS(T) \
    "v.flow_id, v.version, coalesce(v.version = f.active_version, false) as active, " \
    "v.logic is not null as has_logic, v.created_by, " \
    T("v.created_at") " as created_at"
#define VERSIONS                                          \
    "wflows.flow_versions v join wflows.flows f"          \
    " on f.company_id = v.company_id and f.id = v.flow_id"

/* ---- sessions ------------------------------------------------------------------------------- */

#define SESSION_COLUMNS(T) \
    "s.id, s.company_id, s.account_id, s.flow_id, s.flow_name, s.flow_version, " \
    "s.status, s.step, s.screen, s.data_api_version, " \
    T("s.started_at") " as started_at, " \
    T("s.last_step_at") " as last_step_at, " \
    T("s.expires_at") " as expires_at, " \
    T("s.completed_at") " as completed_at"
/* `record` is wf_session_format's text. */
#define SESSION_WHOLE_JSON                                                                \
    WF_SQL_JSON_OF(SESSION_COLUMNS(WF_SQL_TIME_TEXT)                                      \
                   ", s.record::json -> 'history' as screens, s.record::json -> 'answers'" \
                   " as answers, s.record::json -> 'reply' as last_reply")

/* $5 flow, $6 status, $7 account, $8 from, $9 to, $10 accounts of the caller */
#define SESSIONS "wflows.flow_sessions s"
#define SESSIONS_FILTERED                                                               \
    "s.company_id = $1::uuid and ($6::text is null or s.status = $6::wflows.session_status)" \
    " and " WF_SQL_OF_ACCOUNT("s.account_id", "$10")                                    \
    " and " WF_SQL_WITHIN_ID("s.started_at", "s.id")
#define SESSIONS_OF_FLOW "s.flow_id = $5::uuid and " SESSIONS_FILTERED
/* The index of sessions begins with the flow (schema/0003_flows.sql says why): the first so many of each of the
 * company's flows, and of these the first so many. */
#define SESSION_PAGE_ALL(compare, otherwise, direction)                                    \
    "select '', s.id::text, " SESSION_COLUMNS(WF_SQL_TIME)                                 \
    " from wflows.flows f cross join lateral"                                              \
    " (select s.* from wflows.flow_sessions s where s.flow_id = f.id and " SESSIONS_FILTERED \
    " and s.id " compare " " WF_SQL_OR("$4::uuid", otherwise)                              \
    " order by s.id " direction " limit $2::int) s"                                        \
    " where f.company_id = $1::uuid and ($5::uuid is null or f.id = $5::uuid)"             \
    " and ($3::text is null or true) order by s.id " direction " limit $2::int"

/* ---- responses ------------------------------------------------------------------------------ */

#define RESPONSE_COLUMNS(T) \
    "r.id, r.company_id, r.session_id, r.account_id, r.flow_id, r.flow_name, " \
    "r.source, r.message_id, r.phone_number, r.response, " \
    T("r.created_at") " as created_at"
#define RESPONSE_JSON WF_SQL_JSON_OF(RESPONSE_COLUMNS(WF_SQL_TIME_TEXT))
#define RESPONSES "wflows.flow_responses r"
/* $5 flow, $6 source, $7 account, $8 from, $9 to, $10 accounts of the caller */
#define RESPONSES_FILTERED                                                      \
    "r.company_id = $1::uuid and ($6::text is null or r.source = $6)"           \
    " and " WF_SQL_OF_ACCOUNT("r.account_id", "$10")                            \
    " and " WF_SQL_WITHIN("r.created_at")
#define RESPONSES_OF_FLOW "r.flow_id = $5::uuid and " RESPONSES_FILTERED
#define RESPONSES_OF_ANY "($5::uuid is null or r.flow_id = $5::uuid) and " RESPONSES_FILTERED

const wf_pg_stmt_t wf_sql_flows[] = {
    WF_SQL_AT(WF_SQL_FLOW_ONE) = {"flow_one",
                                  "select " FLOW_JSON " from " FLOWS
                                  " where f.company_id = $1::uuid and f.id = $2::uuid"
                                  " and f.deleted_at is null"
                                  " and ($3::uuid[] is null or f.account_id = any ($3::uuid[]))",
                                  3},
    WF_SQL_AT(WF_SQL_FLOW_PAGE_NEWEST) =
        {"flow_page_newest",
         WF_SQL_PAGE_NEWEST(FLOW_COLUMNS(WF_SQL_TIME), FLOWS, FLOWS_FILTERED, "f.created_at", "f.id"), 8},
    WF_SQL_AT(WF_SQL_FLOW_PAGE_OLDEST) =
        {"flow_page_oldest",
         WF_SQL_PAGE_OLDEST(FLOW_COLUMNS(WF_SQL_TIME), FLOWS, FLOWS_FILTERED, "f.created_at", "f.id"), 8},
    WF_SQL_AT(WF_SQL_FLOW_PAGE_NAME) =
        {"flow_page_name", WF_SQL_PAGE_TEXT(FLOW_COLUMNS(WF_SQL_TIME), FLOWS, FLOWS_FILTERED, "f.name", "f.id"), 8},
    WF_SQL_AT(WF_SQL_FLOW_VERSION_ONE) =
        {"flow_version_one",
         "select json_build_object('flow_id', v.flow_id, 'version', v.version,"
         " 'active', coalesce(v.version = f.active_version, false), 'flow_json', v.flow_json::json,"
         " 'logic', v.logic::json, 'created_by', v.created_by,"
         " 'created_at', wflows.time_text(v.created_at))::text"
         " from " VERSIONS " where v.company_id = $1::uuid and v.flow_id = $2::uuid"
         " and v.version = $3::int and f.deleted_at is null",
         3},
    WF_SQL_AT(WF_SQL_FLOW_VERSION_PAGE) =
        {"flow_version_page",
         WF_SQL_PAGE(VERSION_COLUMNS(WF_SQL_TIME), VERSIONS, "v.company_id = $1::uuid and v.flow_id = $5::uuid",
                     "v.version::text", "v.version", "v.flow_id",
                     "< (" WF_SQL_OR("$3::int", "2147483647") ", "
                     WF_SQL_OR("$4::uuid", WF_SQL_UUID_MOST) ")",
                     "desc"),
         5},

    WF_SQL_AT(WF_SQL_SESSION_ONE) =
        {"session_one",
         "select " SESSION_WHOLE_JSON " from wflows.flows f join wflows.flow_sessions s"
         " on s.flow_id = f.id and s.id = $2::uuid and s.company_id = $1::uuid"
         " where f.company_id = $1::uuid"
         " and ($3::uuid[] is null or s.account_id = any ($3::uuid[])) limit 1",
         3},
    WF_SQL_AT(WF_SQL_SESSION_PAGE_NEWEST) =
        {"session_page_newest",
         SESSION_PAGE_ALL("<", WF_SQL_UUID_MOST, "desc"), 10},
    WF_SQL_AT(WF_SQL_SESSION_PAGE_OLDEST) =
        {"session_page_oldest",
         SESSION_PAGE_ALL(">", WF_SQL_UUID_LEAST, "asc"), 10},
    WF_SQL_AT(WF_SQL_SESSION_FLOW_PAGE_NEWEST) =
        {"session_flow_page_newest",
         WF_SQL_PAGE_ID_NEWEST(SESSION_COLUMNS(WF_SQL_TIME), SESSIONS, SESSIONS_OF_FLOW, "s.id"), 10},
    WF_SQL_AT(WF_SQL_SESSION_FLOW_PAGE_OLDEST) =
        {"session_flow_page_oldest",
         WF_SQL_PAGE_ID_OLDEST(SESSION_COLUMNS(WF_SQL_TIME), SESSIONS, SESSIONS_OF_FLOW, "s.id"), 10},

    WF_SQL_AT(WF_SQL_RESPONSE_ONE) =
        {"response_one",
         "select " RESPONSE_JSON " from " RESPONSES
         " where r.company_id = $1::uuid and r.id = $2::uuid"
         " and ($3::uuid[] is null or r.account_id = any ($3::uuid[]))",
         3},
    WF_SQL_AT(WF_SQL_RESPONSE_PAGE_NEWEST) =
        {"response_page_newest",
         WF_SQL_PAGE_NEWEST(RESPONSE_COLUMNS(WF_SQL_TIME), RESPONSES, RESPONSES_OF_ANY, "r.created_at", "r.id"),
         10},
    WF_SQL_AT(WF_SQL_RESPONSE_PAGE_OLDEST) =
        {"response_page_oldest",
         WF_SQL_PAGE_OLDEST(RESPONSE_COLUMNS(WF_SQL_TIME), RESPONSES, RESPONSES_OF_ANY, "r.created_at", "r.id"),
         10},
    WF_SQL_AT(WF_SQL_RESPONSE_FLOW_PAGE_NEWEST) =
        {"response_flow_page_newest",
         WF_SQL_PAGE_NEWEST(RESPONSE_COLUMNS(WF_SQL_TIME), RESPONSES, RESPONSES_OF_FLOW, "r.created_at", "r.id"),
         10},
    WF_SQL_AT(WF_SQL_RESPONSE_FLOW_PAGE_OLDEST) =
        {"response_flow_page_oldest",
         WF_SQL_PAGE_OLDEST(RESPONSE_COLUMNS(WF_SQL_TIME), RESPONSES, RESPONSES_OF_FLOW, "r.created_at", "r.id"),
         10},
};
