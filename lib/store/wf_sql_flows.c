#include "store/wf_sql_json.h"

/* ---- flows --------------------------------------------------------------------------------- */

#define FLOWS "wflows.flows f"
/* $5 name, $6 status, $7 account, $8 accounts of the caller */
#define FLOWS_FILTERED                                                              \
    "f.company_id = $1::uuid and f.deleted_at is null"                              \
    " and ($5::text is null or f.name = $5) and ($6::text is null or f.status = $6)" \
    " and " WF_SQL_OF_ACCOUNT("f.account_id", "$8")

#define VERSION_JSON                                                               \
    "json_build_object('flow_id', v.flow_id, 'version', v.version,"                \
    " 'active', v.version = f.active_version, 'has_logic', v.logic is not null,"   \
    " 'created_by', v.created_by, 'created_at', wflows.time_text(v.created_at))"
#define VERSIONS                                          \
    "wflows.flow_versions v join wflows.flows f"          \
    " on f.company_id = v.company_id and f.id = v.flow_id"

/* ---- sessions ------------------------------------------------------------------------------- */

#define SESSION_MEMBERS                                                                         \
    "'id', s.id, 'company_id', s.company_id, 'account_id', s.account_id, 'flow_id', s.flow_id," \
    " 'flow_name', s.flow_name, 'flow_version', s.flow_version, 'status', s.status,"            \
    " 'step', s.step, 'screen', s.screen, 'data_api_version', s.data_api_version,"              \
    " 'started_at', wflows.time_text(s.started_at),"                                            \
    " 'last_step_at', wflows.time_text(s.last_step_at),"                                        \
    " 'expires_at', wflows.time_text(s.expires_at),"                                            \
    " 'completed_at', wflows.time_text(s.completed_at)"
#define SESSION_JSON "json_build_object(" SESSION_MEMBERS ")"
/* `record` is wf_session_format's text. */
#define SESSION_WHOLE_JSON                                                  \
    "json_build_object(" SESSION_MEMBERS ","                                \
    " 'screens', s.record::json -> 'history', 'answers', s.record::json -> 'answers'," \
    " 'last_reply', s.record::json -> 'reply')"

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
    "select (" SESSION_JSON ")::text, '', s.id::text from wflows.flows f cross join lateral" \
    " (select s.* from wflows.flow_sessions s where s.flow_id = f.id and " SESSIONS_FILTERED \
    " and s.id " compare " " WF_SQL_OR("$4::uuid", otherwise)                              \
    " order by s.id " direction " limit $2::int) s"                                        \
    " where f.company_id = $1::uuid and ($5::uuid is null or f.id = $5::uuid)"             \
    " and ($3::text is null or true) order by s.id " direction " limit $2::int"

/* ---- responses ------------------------------------------------------------------------------ */

#define RESPONSE_JSON                                                                          \
    "json_build_object('id', r.id, 'company_id', r.company_id, 'session_id', r.session_id,"    \
    " 'account_id', r.account_id, 'flow_id', r.flow_id, 'flow_name', r.flow_name,"             \
    " 'source', r.source, 'message_id', r.message_id, 'phone_number', r.phone_number,"         \
    " 'response', r.response, 'created_at', wflows.time_text(r.created_at))"
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
         WF_SQL_PAGE_NEWEST(FLOW_JSON, FLOWS, FLOWS_FILTERED, "f.created_at", "f.id"), 8},
    WF_SQL_AT(WF_SQL_FLOW_PAGE_OLDEST) =
        {"flow_page_oldest",
         WF_SQL_PAGE_OLDEST(FLOW_JSON, FLOWS, FLOWS_FILTERED, "f.created_at", "f.id"), 8},
    WF_SQL_AT(WF_SQL_FLOW_PAGE_NAME) =
        {"flow_page_name", WF_SQL_PAGE_TEXT(FLOW_JSON, FLOWS, FLOWS_FILTERED, "f.name", "f.id"), 8},
    WF_SQL_AT(WF_SQL_FLOW_VERSION_ONE) =
        {"flow_version_one",
         "select json_build_object('flow_id', v.flow_id, 'version', v.version,"
         " 'active', v.version = f.active_version, 'flow_json', v.flow_json::json,"
         " 'logic', v.logic::json, 'created_by', v.created_by,"
         " 'created_at', wflows.time_text(v.created_at))::text"
         " from " VERSIONS " where v.company_id = $1::uuid and v.flow_id = $2::uuid"
         " and v.version = $3::int and f.deleted_at is null",
         3},
    WF_SQL_AT(WF_SQL_FLOW_VERSION_PAGE) =
        {"flow_version_page",
         WF_SQL_PAGE(VERSION_JSON, VERSIONS, "v.company_id = $1::uuid and v.flow_id = $5::uuid",
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
         WF_SQL_PAGE_ID_NEWEST(SESSION_JSON, SESSIONS, SESSIONS_OF_FLOW, "s.id"), 10},
    WF_SQL_AT(WF_SQL_SESSION_FLOW_PAGE_OLDEST) =
        {"session_flow_page_oldest",
         WF_SQL_PAGE_ID_OLDEST(SESSION_JSON, SESSIONS, SESSIONS_OF_FLOW, "s.id"), 10},

    WF_SQL_AT(WF_SQL_RESPONSE_ONE) =
        {"response_one",
         "select " RESPONSE_JSON " from " RESPONSES
         " where r.company_id = $1::uuid and r.id = $2::uuid"
         " and ($3::uuid[] is null or r.account_id = any ($3::uuid[]))",
         3},
    WF_SQL_AT(WF_SQL_RESPONSE_PAGE_NEWEST) =
        {"response_page_newest",
         WF_SQL_PAGE_NEWEST(RESPONSE_JSON, RESPONSES, RESPONSES_OF_ANY, "r.created_at", "r.id"),
         10},
    WF_SQL_AT(WF_SQL_RESPONSE_PAGE_OLDEST) =
        {"response_page_oldest",
         WF_SQL_PAGE_OLDEST(RESPONSE_JSON, RESPONSES, RESPONSES_OF_ANY, "r.created_at", "r.id"),
         10},
    WF_SQL_AT(WF_SQL_RESPONSE_FLOW_PAGE_NEWEST) =
        {"response_flow_page_newest",
         WF_SQL_PAGE_NEWEST(RESPONSE_JSON, RESPONSES, RESPONSES_OF_FLOW, "r.created_at", "r.id"),
         10},
    WF_SQL_AT(WF_SQL_RESPONSE_FLOW_PAGE_OLDEST) =
        {"response_flow_page_oldest",
         WF_SQL_PAGE_OLDEST(RESPONSE_JSON, RESPONSES, RESPONSES_OF_FLOW, "r.created_at", "r.id"),
         10},
};
